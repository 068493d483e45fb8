/** `slot_writer FILE SEED`: writes an image that C made and signed, and prints its counter and the public key, in hex. */
#include "signed_image.h"

int main (int count, char ** arguments)
{
    CHECK_EQUAL (count, 3);
    random_state = strtoul (arguments [2], NULL, 10);
    static signer key;
    static image made;
    make_signer (& key);
    make_image (& made, & key, 1 + random_below (UINT32_MAX), 700);
    FILE * file = fopen (arguments [1], "wb");
    CHECK (file);
    const uint32_t length = HEDGE_SLOT_HEADER_BYTES + hedge_slot_body_bytes (& made.header);
    CHECK_EQUAL (fwrite (& made, 1, length, file), length);
    CHECK_EQUAL (fclose (file), 0);
    printf ("%u ", made.header.counter);
    for (uint32_t i = 0; i < sizeof key.point; ++i) printf ("%02x", key.point [i]);
    puts ("");
    return 0;
}
