# mbedtls: what signatures need (core/crypto.c); with TLS what that needs, too. What nobody calls is dropped by the linker.
CRYPTO_INCLUDES := crypto $(MBEDTLS_SOURCE)/include
CRYPTO_DEFINES := MBEDTLS_CONFIG_FILE='"mbedtls_config.h"'
CRYPTO_PARTS := asn1parse asn1write bignum constant_time ecdsa ecp ecp_curves memory_buffer_alloc platform platform_util sha256
ifeq ($(TLS),1)
  CRYPTO_PARTS += aes cipher cipher_wrap ecdh gcm hmac_drbg md oid pk pk_wrap pkparse ssl_ciphersuites ssl_cli ssl_msg ssl_tls x509 x509_crt
  CRYPTO_DEFINES += HEDGE_CRYPTO_POOL_BYTES=16384
endif
CRYPTO_VENDOR_SOURCES := $(CRYPTO_PARTS:%=$(MBEDTLS_SOURCE)/library/%.c)
