/** What the firmware needs of cryptography; crypto.c does it by mbedtls, which TLS uses, too. */
#ifndef HEDGE_CRYPTO_H
#define HEDGE_CRYPTO_H

#include <stdbool.h>
#include <stdint.h>

/**
 * All memory that mbedtls ever gets, in bytes. Verifying a signature takes 3,4xx of it on a 32-bit machine; a TLS connection far more, and
 * its build sets the size.
 */
#ifndef HEDGE_CRYPTO_POOL_BYTES
#define HEDGE_CRYPTO_POOL_BYTES (sizeof (void *) == 4 ? 4096 : 6144)
#endif

/** Gives mbedtls its pool. Whoever calls mbedtls by himself calls this before; more than once does no harm. */
void hedge_crypto_start (void);

void hedge_sha256 (const uint8_t * bytes, uint32_t length, uint8_t o_digest [32]);
/** ECDSA P-256 over a SHA-256: `key` an uncompressed point (65 bytes), `signature` r and s (64 bytes, big-endian). */
bool hedge_ecdsa_verify (const uint8_t key [65], const uint8_t digest [32], const uint8_t signature [64]);

/** CRC-32 as zlib has it: from 0, or going on from the CRC of what came before. */
uint32_t hedge_crc32 (uint32_t crc, const uint8_t * bytes, uint32_t length);

#endif
