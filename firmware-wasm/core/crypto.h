/** What the firmware needs of cryptography; crypto.c does it by mbedtls, which TLS uses, too. */
#ifndef HEDGE_CRYPTO_H
#define HEDGE_CRYPTO_H

#include <stdbool.h>
#include <stdint.h>

#ifdef HEDGE_CRYPTO_POOL_BYTES
/**
 * Gives mbedtls a pool of so many bytes, for good: where there is TLS, which needs memory beyond a call. Whoever calls mbedtls by himself
 * calls this before; more than once does no harm. Elsewhere a signature takes its memory from the stack, see crypto.c.
 */
void hedge_crypto_start (void);
#endif

void hedge_sha256 (const uint8_t * bytes, uint32_t length, uint8_t o_digest [32]);
/** ECDSA P-256 over a SHA-256: `key` an uncompressed point (65 bytes), `signature` r and s (64 bytes, big-endian). */
bool hedge_ecdsa_verify (const uint8_t key [65], const uint8_t digest [32], const uint8_t signature [64]);

/** CRC-32 as zlib has it: from 0, or going on from the CRC of what came before. */
uint32_t hedge_crc32 (uint32_t crc, const uint8_t * bytes, uint32_t length);

#endif
