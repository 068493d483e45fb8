/**
 * Images of model slots that test programs make and sign by themselves. Programs that include this take the place of core/crypto.c: it is
 * in here, with a memory of what was signed in this program, so that thousands of starts do not verify the same few signatures again and
 * again. What was signed elsewhere counts as not signed.
 */
#ifndef HEDGE_TEST_SIGNED_IMAGE_H
#define HEDGE_TEST_SIGNED_IMAGE_H

#define HEDGE_CRYPTO_POOL_BYTES 16384
#define hedge_ecdsa_verify verify_by_mbedtls
#include "../core/crypto.c"
#undef hedge_ecdsa_verify

#include <string.h>

#include "check.h"
#include "random.h"
#include "slot.h"

#define IMAGE_BODY_ROOM 3072u

typedef struct {
    mbedtls_mpi secret;
    uint8_t point [65];
} signer;

typedef struct {
    hedge_slot_header header;
    uint8_t body [IMAGE_BODY_ROOM];
} image;

typedef struct { uint8_t key [65], digest [32], signature [64]; } signed_digest;
/** The last ones that were signed here. */
#define SIGNED_KEPT 1024
static signed_digest signed_digests [SIGNED_KEPT];
static uint32_t signed_count, verified_count, refused_count;
/** Of each answer from memory so many are asked of mbedtls, too. */
#define VERIFIED_TWICE 20

bool hedge_ecdsa_verify (const uint8_t key [65], const uint8_t digest [32], const uint8_t signature [64])
{
    bool known = false;
    for (uint32_t i = 0; i < signed_count && i < SIGNED_KEPT && ! known; ++i)
    {
        const signed_digest * s = & signed_digests [i];
        known = ! memcmp (s->key, key, 65) && ! memcmp (s->digest, digest, 32) && ! memcmp (s->signature, signature, 64);
    }
    uint32_t * count = known ? & verified_count : & refused_count;
    if (++* count <= VERIFIED_TWICE) CHECK_EQUAL (verify_by_mbedtls (key, digest, signature), known);
    return known;
}

static int test_randomness (void * context, unsigned char * o_bytes, size_t length)
{
    (void) context;
    for (size_t i = 0; i < length; ++i) o_bytes [i] = (unsigned char) random_word ();
    return 0;
}

static void make_signer (signer * o_signer)
{
    hedge_crypto_start ();
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    size_t length;
    mbedtls_ecp_group_init (& group);
    mbedtls_ecp_point_init (& point);
    mbedtls_mpi_init (& o_signer->secret);
    CHECK (mbedtls_ecp_group_load (& group, MBEDTLS_ECP_DP_SECP256R1) == 0);
    CHECK (mbedtls_ecp_gen_keypair (& group, & o_signer->secret, & point, test_randomness, NULL) == 0);
    CHECK (mbedtls_ecp_point_write_binary (& group, & point, MBEDTLS_ECP_PF_UNCOMPRESSED, & length, o_signer->point, 65) == 0);
    mbedtls_ecp_point_free (& point);
    mbedtls_ecp_group_free (& group);
}

/** Signs a header as it is, whatever it holds. */
static void sign_header (hedge_slot_header * io_header, const signer * by)
{
    uint8_t digest [32];
    hedge_sha256 ((const uint8_t *) io_header, HEDGE_SLOT_SIGNED_BYTES, digest);
    mbedtls_ecp_group group;
    mbedtls_mpi r, s;
    mbedtls_ecp_group_init (& group);
    mbedtls_mpi_init (& r);
    mbedtls_mpi_init (& s);
    CHECK (mbedtls_ecp_group_load (& group, MBEDTLS_ECP_DP_SECP256R1) == 0);
    CHECK (mbedtls_ecdsa_sign (& group, & r, & s, & by->secret, digest, 32, test_randomness, NULL) == 0);
    CHECK (mbedtls_mpi_write_binary (& r, io_header->signature, 32) == 0);
    CHECK (mbedtls_mpi_write_binary (& s, io_header->signature + 32, 32) == 0);
    mbedtls_mpi_free (& s);
    mbedtls_mpi_free (& r);
    mbedtls_ecp_group_free (& group);

    signed_digest * kept = & signed_digests [signed_count++ % SIGNED_KEPT];
    memcpy (kept->key, by->point, 65);
    memcpy (kept->digest, digest, 32);
    memcpy (kept->signature, io_header->signature, 64);
}

/** A hybrid model of random bytes, about `body_bytes` of them. */
static void make_image (image * o_image, const signer * by, uint32_t counter, uint32_t body_bytes)
{
    const uint32_t wasm = 8 + random_below (body_bytes), weights = random_below (body_bytes);
    hedge_slot_header * h = & o_image->header;
    * h = (hedge_slot_header) {
        .magic = HEDGE_SLOT_MAGIC, .format = HEDGE_SLOT_FORMAT, .header_bytes = HEDGE_SLOT_HEADER_BYTES,
        .counter = counter, .flags = HEDGE_SLOT_HYBRID,
        .wasm_bytes = wasm, .weights_bytes = weights, .memory_bytes = 4096, .stack_bytes = 1024,
        .input = 0, .input_bytes = 192, .threshold = 1024, .result = 1028, .result_count = 10, .payload = 2048, .payload_bytes = 64,
        .steps = 7, .threshold_value = 32768, .classes = 10,
    };
    snprintf (h->name, sizeof h->name, "model %u", counter);
    uint8_t digest [32];
    hedge_sha256 (by->point, 65, digest);
    memcpy (h->key_id, digest, sizeof h->key_id);
    for (uint32_t i = 0; i < sizeof h->digest; ++i) h->digest [i] = (uint8_t) random_word ();
    const uint32_t length = hedge_slot_body_bytes (h);
    CHECK (length <= IMAGE_BODY_ROOM);
    memset (o_image->body, 0, length);
    for (uint32_t i = 0; i < length; ++i)
        if (i < wasm || i >= length - weights) o_image->body [i] = (uint8_t) random_word ();
    /* Some end like blank flash. */
    if (random_below (3) == 0) memset (o_image->body + length - weights / 2, 0xFF, weights / 2);
    hedge_sha256 (o_image->body, length, h->body_sha256);
    sign_header (h, by);
}

static const hedge_slot_limits image_limits = { .memory_bytes = 8192, .stack_bytes = 4096, .input_bytes = 3072, .payload_bytes = 2048 };

#endif
