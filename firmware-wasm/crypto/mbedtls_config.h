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
#endif

#include "mbedtls/check_config.h"

#endif
