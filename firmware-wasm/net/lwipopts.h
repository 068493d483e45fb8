/**
 * lwIP for one MQTT connection, polled from the main loop. Tuned for RAM: what costs how much is beside it.
 *
 * Received data is read as it comes and freed at once, so that a window of several segments needs buffers for one frame only; what the
 * controller's own memory cannot hold meanwhile is sent again by the peer.
 */
#ifndef HEDGE_LWIPOPTS_H
#define HEDGE_LWIPOPTS_H

#include <stdint.h>

/* From board.mk, by device.h. */
#ifndef HEDGE_PAYLOAD_BYTES
#define HEDGE_PAYLOAD_BYTES 2048
#endif
#ifndef HEDGE_SMALL
#define HEDGE_SMALL 0
#endif

/* The system: no threads, no interrupts that call lwIP. */
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_STATS 0
#define LWIP_TIMEVAL_PRIVATE 0

/* Protocols. */
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ETHERNET 1
#define LWIP_ARP 1
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define LWIP_UDP 1
#define LWIP_TCP 1
#define LWIP_DHCP 1
#define LWIP_DNS 1
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_STATUS_CALLBACK 0
#define DHCP_DOES_ARP_CHECK 0
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define IP_FORWARD 0
#define LWIP_NETIF_TX_SINGLE_PBUF 0
#define LWIP_ALTCP HEDGE_TLS
#define LWIP_ALTCP_TLS HEDGE_TLS

/* Memory. */
#define MEM_ALIGNMENT __SIZEOF_POINTER__
#define TCP_MSS (HEDGE_SMALL ? 536 : 1024)
#define TCP_WND (4 * TCP_MSS)
#define TCP_SND_BUF (HEDGE_SMALL ? 536 : 2048)
#define TCP_SND_QUEUELEN 12
#define TCP_OVERSIZE 128 /* small packets share a segment */
#define TCP_QUEUE_OOSEQ 0
/** For what is on its way out: TCP_SND_BUF with headers, a DHCP or DNS request. */
#define MEM_SIZE (TCP_SND_BUF + (HEDGE_SMALL ? 900 : 1280))
/** For what comes in: one frame of full size, for not every peer heeds TCP_MSS. lwIP's check wants a window's worth, for programs that let data lie. */
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1
#define PBUF_POOL_BUFSIZE 256
#define PBUF_POOL_SIZE (HEDGE_TLS ? 10 : 6) /* TLS lets data lie while it computes */
#define MEMP_NUM_PBUF 2
#define MEMP_NUM_TCP_PCB 3 /* the connection, and two that are closing */
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define MEMP_NUM_TCP_SEG TCP_SND_QUEUELEN
#define MEMP_NUM_UDP_PCB 3 /* DHCP, DNS, SNTP */
#define MEMP_NUM_SYS_TIMEOUT (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 3) /* SNTP 2, MQTT 1 */
#define MEMP_NUM_ALTCP_PCB 4
#define ARP_TABLE_SIZE 4
#define ARP_QUEUEING 0
#define DNS_TABLE_SIZE 2
#define DNS_MAX_NAME_LENGTH 64
#define DNS_MAX_SERVERS 1

/* TCP's first sequence number is random: who cannot see the connection cannot write into it. */
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) hedge_net_random ()

/* MQTT. */
/** A whole packet with the largest frame, and beside it the acknowledgements of commands that come meanwhile. */
#define MQTT_OUTPUT_RINGBUF_SIZE (HEDGE_PAYLOAD_BYTES + (HEDGE_SMALL ? 256 : 384))
#define MQTT_VAR_HEADER_BUFFER_LEN 128
#define MQTT_REQ_MAX_IN_FLIGHT 8
#define MQTT_CYCLIC_TIMER_INTERVAL 1 /* s */
#define MQTT_REQ_TIMEOUT 15          /* s */

/* SNTP. */
#define SNTP_SERVER_DNS 1
#define SNTP_STARTUP_DELAY 0
#define SNTP_RECV_TIMEOUT 3000
#define SNTP_RETRY_TIMEOUT 3000
#define SNTP_RETRY_TIMEOUT_MAX 60000
#define SNTP_UPDATE_DELAY 1800000
/** An answer counts only when it returns the request's time stamp, which is random, for nothing is computed from it. */
#define SNTP_CHECK_RESPONSE 2
#define SNTP_GET_SYSTEM_TIME_NTP(seconds, fraction) \
    ((seconds) = (int32_t) hedge_net_random (), (fraction) = hedge_net_random ())
uint16_t hedge_net_time_port (void);
#define SNTP_PORT hedge_net_time_port ()
void hedge_net_time_is (uint32_t seconds, uint32_t micros);
#define SNTP_SET_SYSTEM_TIME_US(seconds, micros) hedge_net_time_is (seconds, micros)

#endif
