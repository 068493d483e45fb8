/** Hashes and signatures by mbedtls; CRC-32 by a table of sixteen words. */
#include "crypto.h"

#include <mbedtls/ecdsa.h>
#include <mbedtls/memory_buffer_alloc.h>
#include <mbedtls/sha256.h>

#ifdef HEDGE_CRYPTO_POOL_BYTES
static uint8_t pool [HEDGE_CRYPTO_POOL_BYTES] __attribute__ ((aligned (8)));

void hedge_crypto_start (void)
{
    static bool started = false;
    if (! started) mbedtls_memory_buffer_alloc_init (pool, sizeof pool);
    started = true;
}
#else
/**
 * What verifying one signature takes. Measured on a Cortex-M4: 1,792 bytes in 37 blocks at most, each with 32 bytes of the allocator's;
 * 3,200 were enough for 850 signatures, 3,072 not for all of them. 1.1 KB of stack come to it.
 */
#define VERIFY_BYTES (sizeof (void *) == 4 ? 3328 : 6144)
#endif

void hedge_sha256 (const uint8_t * bytes, uint32_t length, uint8_t o_digest [32])
{
    mbedtls_sha256_ret (bytes, length, o_digest, 0);
}

static bool verify (const uint8_t key [65], const uint8_t digest [32], const uint8_t signature [64])
{
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    mbedtls_mpi r, s;
    mbedtls_ecp_group_init (& group);
    mbedtls_ecp_point_init (& point);
    mbedtls_mpi_init (& r);
    mbedtls_mpi_init (& s);
    const bool valid = mbedtls_ecp_group_load (& group, MBEDTLS_ECP_DP_SECP256R1) == 0
        && mbedtls_ecp_point_read_binary (& group, & point, key, 65) == 0
        && mbedtls_ecp_check_pubkey (& group, & point) == 0
        && mbedtls_mpi_read_binary (& r, signature, 32) == 0
        && mbedtls_mpi_read_binary (& s, signature + 32, 32) == 0
        && mbedtls_ecdsa_verify (& group, digest, 32, & point, & r, & s) == 0;
    mbedtls_mpi_free (& s);
    mbedtls_mpi_free (& r);
    mbedtls_ecp_point_free (& point);
    mbedtls_ecp_group_free (& group);
    return valid;
}

bool hedge_ecdsa_verify (const uint8_t key [65], const uint8_t digest [32], const uint8_t signature [64])
{
#ifdef HEDGE_CRYPTO_POOL_BYTES
    hedge_crypto_start ();
    return verify (key, digest, signature);
#else
    uint8_t pool [VERIFY_BYTES] __attribute__ ((aligned (8)));
    mbedtls_memory_buffer_alloc_init (pool, sizeof pool);
    const bool valid = verify (key, digest, signature);
    mbedtls_memory_buffer_alloc_free ();
    return valid;
#endif
}

uint32_t hedge_crc32 (uint32_t crc, const uint8_t * bytes, uint32_t length)
{
    /* CRCs of the sixteen nibbles by the reflected polynomial 0xEDB88320. */
    static const uint32_t table [16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    crc = ~crc;
    for (uint32_t i = 0; i < length; ++i)
    {
        crc ^= bytes [i];
        crc = (crc >> 4) ^ table [crc & 15];
        crc = (crc >> 4) ^ table [crc & 15];
    }
    return ~crc;
}
