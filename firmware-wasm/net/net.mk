# The network: lwIP, with its MQTT client mended, and in the TLS variant TLS on mbedtls.
NET_SOURCES := net/net.c net/ethernet.c $(if $(TLS),net/tls.c)
NET_VENDOR_SOURCES := $(addprefix $(LWIP_SOURCE)/src/, \
  $(addprefix core/,init.c def.c dns.c inet_chksum.c ip.c mem.c memp.c netif.c pbuf.c tcp.c tcp_in.c tcp_out.c timeouts.c udp.c \
    $(if $(TLS),altcp.c altcp_alloc.c altcp_tcp.c)) \
  $(addprefix core/ipv4/,dhcp.c etharp.c icmp.c ip4.c ip4_addr.c) netif/ethernet.c apps/sntp/sntp.c)
# Made by a patch, so not there before the first build.
NET_GENERATED_SOURCES := $(IMAGE)/net/mqtt.c
NET_INCLUDES := net $(LWIP_SOURCE)/src/include
NET_DEFINES := HEDGE_SMALL=$(if $(filter small,$(VARIANT)),1,0)

$(IMAGE)/net/mqtt.c: $(LWIP_SOURCE)/src/apps/mqtt/mqtt.c net/patch.js
	@node net/patch.js $< $@
