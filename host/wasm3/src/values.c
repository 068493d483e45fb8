/** Conversion between JavaScript values and wasm3's value-stack slots. */
#include <math.h>
#include <string.h>

#include "binding.h"

static bool wrong_type (napi_env env, const char * what, const char * expected)
{
    throw_error (env, CODE_TYPE, "The %s must be %s.", what, expected);
    return false;
}

bool slot_from_value (napi_env env, napi_value value, uint8_t type, uint64_t * o_slot, const char * what)
{
    double number;
    switch (type)
    {
        case c_m3Type_i32:
        {
            /* Both readings of 32 bits are accepted: -2^31 ... 2^32 - 1. */
            if (napi_get_value_double (env, value, & number) != napi_ok
                or not (number >= -2147483648.0 and number <= 4294967295.0) or number != floor (number))
                return wrong_type (env, what, "an integer of 32 bits (i32)");
            const uint32_t bits = (uint32_t) (int64_t) number;
            memcpy (o_slot, & bits, sizeof bits);
            return true;
        }
        case c_m3Type_i64:
        {
            int64_t integer;
            uint64_t positive;
            bool lossless = false;
            if (napi_get_value_bigint_int64 (env, value, & integer, & lossless) != napi_ok)
                return wrong_type (env, what, "a BigInt of 64 bits (i64)");
            if (lossless) { memcpy (o_slot, & integer, sizeof integer); return true; }
            napi_get_value_bigint_uint64 (env, value, & positive, & lossless);
            if (not lossless) return wrong_type (env, what, "a BigInt of 64 bits (i64)");
            memcpy (o_slot, & positive, sizeof positive);
            return true;
        }
        case c_m3Type_f32:
        {
            if (napi_get_value_double (env, value, & number) != napi_ok) return wrong_type (env, what, "a number (f32)");
            const float single = (float) number;
            memcpy (o_slot, & single, sizeof single);
            return true;
        }
        case c_m3Type_f64:
            if (napi_get_value_double (env, value, & number) != napi_ok) return wrong_type (env, what, "a number (f64)");
            memcpy (o_slot, & number, sizeof number);
            return true;
        default:
            return wrong_type (env, what, "of a number type");
    }
}

napi_value value_from_slot (napi_env env, const uint64_t * slot, uint8_t type)
{
    napi_value value = NULL;
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
    switch (type)
    {
        case c_m3Type_i32: memcpy (& i32, slot, sizeof i32); napi_create_int32 (env, i32, & value); break;
        case c_m3Type_i64: memcpy (& i64, slot, sizeof i64); napi_create_bigint_int64 (env, i64, & value); break;
        case c_m3Type_f32: memcpy (& f32, slot, sizeof f32); napi_create_double (env, f32, & value); break;
        case c_m3Type_f64: memcpy (& f64, slot, sizeof f64); napi_create_double (env, f64, & value); break;
    }
    return value;
}
