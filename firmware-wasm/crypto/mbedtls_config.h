/**
 * What the firmware takes of mbedtls 2.28: SHA-256 and verifying ECDSA over P-256, for model slots; what TLS needs beside that under
 * HEDGE_TLS. Small before fast: signatures are verified when the device starts, and once per update or handshake.
 */
#ifndef HEDGE_MBEDTLS_CONFIG_H
#define HEDGE_MBEDTLS_CONFIG_H

/* Memory: the pool of core/crypto.c and nothing of libc. A damaged pool is a defect; the board's fault handler starts anew. */
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_NO_STD_FUNCTIONS
#define MBEDTLS_PLATFORM_EXIT_MACRO(status) __builtin_trap ()
#define MBEDTLS_MEMORY_BUFFER_ALLOC_C

#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA256_SMALLER
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
/* Blinding is for secret factors, which verifying has none of; TLS brings its own generator. */
#define MBEDTLS_ECP_NO_INTERNAL_RNG

/* The least memory: no tables of multiples, exponents by single bits, numbers no longer than P-256 needs. */
#define MBEDTLS_ECP_MAX_BITS 256
#define MBEDTLS_ECP_WINDOW_SIZE 2
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 0
#define MBEDTLS_MPI_WINDOW_SIZE 1

#if HEDGE_TLS
/* TLS 1.2 as a client: ECDHE-ECDSA with AES-128-GCM, and certificates that are signed so. */
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_CIPHERSUITES MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED
#define MBEDTLS_ECDH_C
#define MBEDTLS_MD_C
#define MBEDTLS_CIPHER_C
#define MBEDTLS_GCM_C
#define MBEDTLS_AES_C
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_AES_FEWER_TABLES
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_OID_C
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
/* A certificate that is made for devices does not make a broker. */
#define MBEDTLS_X509_CHECK_KEY_USAGE
#define MBEDTLS_X509_CHECK_EXTENDED_KEY_USAGE
/* A weak random number would give the device's key away: ECDSA's come from the key and the message (RFC 6979). */
#define MBEDTLS_HMAC_DRBG_C
#define MBEDTLS_ECDSA_DETERMINISTIC
/* Curves are computed in portions (net/tls.c). */
#define MBEDTLS_ECP_RESTARTABLE
#define MBEDTLS_ECDH_LEGACY_CONTEXT
/* The broker is asked to keep its records this short, and its certificates have to be, too: a handshake message fills one record. mbedtls asks for
   no more than what both buffers hold. */
#define MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
#define MBEDTLS_SSL_IN_CONTENT_LEN 2048
#define MBEDTLS_SSL_OUT_CONTENT_LEN 2048
#endif

#include "mbedtls/check_config.h"

#endif
