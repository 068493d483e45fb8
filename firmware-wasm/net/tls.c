/**
 * TLS as a layer of lwIP's `altcp`, between its MQTT client and TCP, by mbedtls: TLS 1.2, ECDHE-ECDSA on P-256, AES-128-GCM.
 *
 * One connection at a time. What goes wrong inside of lwIP's callbacks is noted, and ended by `hedge_tls_poll`, outside of them. Elliptic curves
 * are computed in small portions there, so that a handshake, seconds of work, holds up neither the model nor the watchdog.
 */
#include "tls.h"

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_internal.h>
#include <string.h>

#include "../boards/board.h"
#include "crypto.h"
#include "log.h"
#include "lwip/altcp.h"
#include "lwip/altcp_tcp.h"
#include "lwip/altcp_tls.h"
#include "lwip/priv/altcp_priv.h"

/** Operations on a curve, of a few thousand in a handshake, per poll: some milliseconds on a slow core. */
#define CURVE_OPERATIONS 60
/** Decrypted data is passed on in such pieces. */
#define PIECE 256

struct altcp_tls_config {
    const char * broker;
    /** Of the broker when it is named by its address; such certificates carry it as an iPAddress. */
    bool by_address;
    ip4_addr_t address;
    mbedtls_ssl_config ssl;
    mbedtls_x509_crt ca, own;
    mbedtls_pk_context key;
    /** The time of day, and when it was that; 0: not known. */
    uint64_t seconds;
    uint32_t at;
};

/** One, for ever. */
static struct altcp_tls_config the_config;

static struct {
    struct altcp_pcb * conn; /* NULL when there is no connection */
    struct altcp_tls_config * config;
    mbedtls_ssl_context ssl;
    struct pbuf * received;  /* not decrypted yet */
    bool open;               /* TCP is, so the handshake runs */
    bool closed;             /* by the broker; what it sent before may still lie in `received` */
    bool done;               /* the handshake is */
    bool ended;              /* by an error or by the broker: to be aborted */
} session;

/* Verification. */

/** Days from 1970-01-01, of the Gregorian calendar. */
static int64_t days_of (int32_t year, int32_t month, int32_t day)
{
    /* Years from March on, so that leap days come last; 153 days every five months. */
    const int32_t y = month > 2 ? year : year - 1;
    const int32_t m = month > 2 ? month - 3 : month + 9;
    return (int64_t) y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static int64_t seconds_of (const mbedtls_x509_time * time)
{
    return days_of (time->year, time->mon, time->day) * 86400 + time->hour * 3600 + time->min * 60 + time->sec;
}

static bool names_address (const mbedtls_x509_crt * certificate, const ip4_addr_t * address)
{
    for (const mbedtls_x509_sequence * name = & certificate->subject_alt_names; name; name = name->next)
        if ((name->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == MBEDTLS_X509_SAN_IP_ADDRESS && name->buf.len == 4
            && memcmp (name->buf.p, & address->addr, 4) == 0) return true;
    return false;
}

/** What mbedtls does not look at: dates, for it has no clock, and addresses, for it knows names only. Called for each certificate of the chain. */
static int verify (void * context, mbedtls_x509_crt * certificate, int depth, uint32_t * io_flags)
{
    const struct altcp_tls_config * config = context;
    if (config->seconds > 0)
    {
        const int64_t now = (int64_t) config->seconds;
        if (now < seconds_of (& certificate->valid_from)) * io_flags |= MBEDTLS_X509_BADCERT_FUTURE;
        if (now > seconds_of (& certificate->valid_to)) * io_flags |= MBEDTLS_X509_BADCERT_EXPIRED;
    }
    if (depth == 0 && config->by_address && ! names_address (certificate, & config->address)) * io_flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    return 0;
}

static void log_failure (int error)
{
    const uint32_t flags = mbedtls_ssl_get_verify_result (& session.ssl);
    const bool bad = error == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || error == MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE;
    if (bad && flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) hedge_log ("tls: the broker's certificate is not signed by the trusted authority");
    else if (bad && flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) hedge_log ("tls: the broker's certificate is not for %s", session.config->broker);
    else if (bad && flags & MBEDTLS_X509_BADCERT_EXPIRED) hedge_log ("tls: the broker's certificate, or its authority's, has expired");
    else if (bad && flags & MBEDTLS_X509_BADCERT_FUTURE) hedge_log ("tls: the broker's certificate, or its authority's, is not valid yet");
    else if (bad && flags & (MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE)) hedge_log ("tls: the broker's certificate is not for servers");
    else if (bad) hedge_log ("tls: the broker's certificate is refused: 0x%x", (unsigned) flags);
    else if (error == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) hedge_log ("tls: the broker ends the connection by alert %u", (unsigned) session.ssl.in_msg [1]);
    else if (error != MBEDTLS_ERR_SSL_CONN_EOF) hedge_log ("tls: error 0x%x", (unsigned) -error);
}

/* Between mbedtls and TCP. */

static int give (void * context, const unsigned char * bytes, size_t length)
{
    struct altcp_pcb * tcp = ((struct altcp_pcb *) context)->inner_conn;
    const size_t room = altcp_sndbuf (tcp);
    const u16_t piece = (u16_t) (length < room ? length : room);
    if (piece == 0 || altcp_write (tcp, bytes, piece, TCP_WRITE_FLAG_COPY) != ERR_OK) return MBEDTLS_ERR_SSL_WANT_WRITE;
    return piece;
}

static int take (void * context, unsigned char * o_bytes, size_t room)
{
    struct altcp_pcb * tcp = ((struct altcp_pcb *) context)->inner_conn;
    if (! session.received) return session.closed ? 0 : MBEDTLS_ERR_SSL_WANT_READ;
    const u16_t piece = pbuf_copy_partial (session.received, o_bytes, (u16_t) (room < 0xFFFF ? room : 0xFFFF), 0);
    session.received = pbuf_free_header (session.received, piece);
    altcp_recved (tcp, piece);
    return piece;
}

static bool to_be_continued (int result)
{
    return result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE || result == MBEDTLS_ERR_SSL_CRYPTO_IN_PROGRESS;
}

/* Either of these may end in the upper layer's closing the connection: session.conn is NULL then. */

static void shake_hands (void)
{
    const int result = mbedtls_ssl_handshake (& session.ssl);
    altcp_output (session.conn->inner_conn);
    if (to_be_continued (result)) return;
    if (result != 0)
    {
        log_failure (result);
        session.ended = true;
        return;
    }
    session.done = true;
    if (session.conn->connected) session.conn->connected (session.conn->arg, session.conn, ERR_OK);
}

static void pass_on (void)
{
    uint8_t piece [PIECE];
    while (session.conn && ! session.ended)
    {
        const int result = mbedtls_ssl_read (& session.ssl, piece, sizeof piece);
        if (to_be_continued (result)) return;
        if (result <= 0)
        {
            if (result != 0 && result != MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) log_failure (result);
            session.ended = true;
            return;
        }
        /* The MQTT client takes all of it at once, and keeps nothing. */
        struct pbuf * data = pbuf_alloc_reference (piece, (u16_t) result, PBUF_REF);
        if (! data)
        {
            session.ended = true;
            return;
        }
        if (! session.conn->recv) pbuf_free (data);
        else session.conn->recv (session.conn->arg, session.conn, data, ERR_OK);
    }
}

static void advance (void)
{
    if (! session.conn || ! session.open || session.ended) return;
    if (! session.done) shake_hands ();
    if (session.conn && session.done) pass_on ();
}

/** Sends what mbedtls has encrypted and TCP had no room for. Whether nothing is left. */
static bool flush (void)
{
    const int result = mbedtls_ssl_flush_output (& session.ssl);
    if (result != 0 && ! to_be_continued (result)) session.ended = true;
    return result == 0;
}

/** Moves the noted time on, so that it outlasts the wrapping around of board_millis. */
static void advance_clock (struct altcp_tls_config * config)
{
    const uint32_t seconds = (board_millis () - config->at) / 1000;
    config->at += seconds * 1000;
    if (config->seconds > 0) config->seconds += seconds;
}

void hedge_tls_poll (void)
{
    advance_clock (& the_config);
    if (session.conn && session.ended) altcp_abort (session.conn);
    else if (! session.done) advance ();
}

/* What TCP calls. */

static err_t on_connected (void * conn, struct altcp_pcb * tcp, err_t error)
{
    (void) conn, (void) tcp;
    session.open = error == ERR_OK;
    session.ended = error != ERR_OK;
    advance ();
    return ERR_OK;
}

static err_t on_received (void * conn, struct altcp_pcb * tcp, struct pbuf * data, err_t error)
{
    (void) conn, (void) tcp, (void) error;
    if (! data) session.closed = true;
    else if (session.received) pbuf_cat (session.received, data);
    else session.received = data;
    advance ();
    return ERR_OK;
}

static err_t on_sent (void * context, struct altcp_pcb * tcp, u16_t length)
{
    (void) tcp;
    struct altcp_pcb * conn = context;
    if (session.open && flush () && session.done && conn->sent) return conn->sent (conn->arg, conn, length);
    return ERR_OK;
}

static err_t on_poll (void * context, struct altcp_pcb * tcp)
{
    (void) tcp;
    struct altcp_pcb * conn = context;
    if (session.open && flush () && session.done && conn->poll) return conn->poll (conn->arg, conn);
    return ERR_OK;
}

/** TCP is gone, and its block freed. */
static void on_error (void * context, err_t error)
{
    struct altcp_pcb * conn = context;
    const altcp_err_fn tell = conn->err;
    void * const whom = conn->arg;
    conn->inner_conn = NULL;
    altcp_free (conn);
    if (tell) tell (whom, error);
}

/* What the MQTT client calls. */

static void layer_set_poll (struct altcp_pcb * conn, u8_t interval)
{
    altcp_poll (conn->inner_conn, on_poll, interval);
}

/** TCP was told when mbedtls took the bytes. */
static void layer_recved (struct altcp_pcb * conn, u16_t length)
{
    (void) conn, (void) length;
}

static err_t layer_connect (struct altcp_pcb * conn, const ip_addr_t * address, u16_t port, altcp_connected_fn connected)
{
    conn->connected = connected;
    return altcp_connect (conn->inner_conn, address, port, on_connected);
}

static void layer_abort (struct altcp_pcb * conn)
{
    altcp_abort (conn->inner_conn); /* on_error does the rest */
}

static err_t layer_close (struct altcp_pcb * conn)
{
    struct altcp_pcb * tcp = conn->inner_conn;
    if (session.done && ! session.ended && flush ()) mbedtls_ssl_close_notify (& session.ssl);
    altcp_arg (tcp, NULL);
    altcp_recv (tcp, NULL);
    altcp_sent (tcp, NULL);
    altcp_err (tcp, NULL);
    altcp_poll (tcp, NULL, 0);
    conn->inner_conn = NULL;
    altcp_free (conn);
    if (altcp_close (tcp) != ERR_OK) altcp_abort (tcp);
    return ERR_OK;
}

static u16_t layer_sndbuf (struct altcp_pcb * conn)
{
    if (! session.done || session.ended || ! flush ()) return 0;
    const int32_t of_tcp = altcp_sndbuf (conn->inner_conn) - mbedtls_ssl_get_record_expansion (& session.ssl);
    return (u16_t) (of_tcp < 0 ? 0 : LWIP_MIN (of_tcp, MBEDTLS_SSL_OUT_CONTENT_LEN));
}

/** All of it, or nothing. */
static err_t layer_write (struct altcp_pcb * conn, const void * bytes, u16_t length, u8_t flags)
{
    (void) flags;
    if (length > layer_sndbuf (conn)) return ERR_MEM;
    const int result = mbedtls_ssl_write (& session.ssl, bytes, length);
    /* Encrypted it is in any case; what TCP had no room for is flushed later. */
    if (result == length || result == MBEDTLS_ERR_SSL_WANT_WRITE) return ERR_OK;
    log_failure (result);
    session.ended = true;
    return ERR_CONN;
}

static void layer_dealloc (struct altcp_pcb * conn)
{
    (void) conn;
    mbedtls_ssl_free (& session.ssl);
    if (session.received) pbuf_free (session.received);
    memset (& session, 0, sizeof session);
}

static const struct altcp_functions functions = {
    .set_poll = layer_set_poll,
    .recved = layer_recved,
    .bind = altcp_default_bind,
    .connect = layer_connect,
    .abort = layer_abort,
    .close = layer_close,
    .shutdown = altcp_default_shutdown,
    .write = layer_write,
    .output = altcp_default_output,
    .mss = altcp_default_mss,
    .sndbuf = layer_sndbuf,
    .sndqueuelen = altcp_default_sndqueuelen,
    .nagle_disable = altcp_default_nagle_disable,
    .nagle_enable = altcp_default_nagle_enable,
    .nagle_disabled = altcp_default_nagle_disabled,
    .setprio = altcp_default_setprio,
    .dealloc = layer_dealloc,
    .addrinfo = altcp_default_get_tcp_addrinfo,
    .getip = altcp_default_get_ip,
    .getport = altcp_default_get_port,
};

struct altcp_pcb * altcp_tls_wrap (struct altcp_tls_config * config, struct altcp_pcb * tcp)
{
    struct altcp_pcb * conn = session.conn ? NULL : altcp_alloc ();
    if (! conn) return NULL;
    mbedtls_ssl_init (& session.ssl);
    if (mbedtls_ssl_setup (& session.ssl, & config->ssl) != 0
        || mbedtls_ssl_set_hostname (& session.ssl, config->by_address ? NULL : config->broker) != 0)
    {
        hedge_log ("tls: out of memory");
        mbedtls_ssl_free (& session.ssl);
        altcp_free (conn);
        return NULL;
    }
    mbedtls_ssl_set_bio (& session.ssl, conn, give, take, NULL);
    session.conn = conn;
    session.config = config;
    conn->fns = & functions;
    conn->inner_conn = tcp;
    altcp_arg (tcp, conn);
    altcp_recv (tcp, on_received);
    altcp_sent (tcp, on_sent);
    altcp_err (tcp, on_error);
    return conn;
}

/* The configuration. */

static int random_bytes (void * context, unsigned char * o_bytes, size_t length)
{
    (void) context;
    board_random (o_bytes, length);
    return 0;
}

static bool fails (int result, const char * what)
{
    if (result != 0) hedge_log ("tls: %s cannot be used: 0x%x", what, (unsigned) -result);
    return result != 0;
}

struct altcp_tls_config * hedge_tls_start (const hedge_config * from)
{
    struct altcp_tls_config * config = & the_config;
    hedge_crypto_start ();
    mbedtls_ecp_set_max_ops (CURVE_OPERATIONS);
    config->broker = from->broker;
    config->by_address = ip4addr_aton (from->broker, & config->address) != 0;
    mbedtls_x509_crt_init (& config->ca);
    mbedtls_x509_crt_init (& config->own);
    mbedtls_pk_init (& config->key);
    mbedtls_ssl_config_init (& config->ssl);
    /* Certificates stay in flash. */
    if (fails (mbedtls_x509_crt_parse_der_nocopy (& config->ca, from->ca.bytes, from->ca.length), "the authority's certificate")) return NULL;
    if (fails (mbedtls_ssl_config_defaults (& config->ssl, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT), "mbedtls"))
        return NULL;
    mbedtls_ssl_conf_rng (& config->ssl, random_bytes, NULL);
    mbedtls_ssl_conf_authmode (& config->ssl, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain (& config->ssl, & config->ca, NULL);
    mbedtls_ssl_conf_verify (& config->ssl, verify, config);
    if (fails (mbedtls_ssl_conf_max_frag_len (& config->ssl, MBEDTLS_SSL_MAX_FRAG_LEN_2048), "a fragment's length")) return NULL;
    if (from->certificate.length == 0) return config;
    if (fails (mbedtls_x509_crt_parse_der_nocopy (& config->own, from->certificate.bytes, from->certificate.length), "the device's certificate")
        || fails (mbedtls_pk_parse_key (& config->key, from->key.bytes, from->key.length, NULL, 0), "the device's key")
        || fails (mbedtls_pk_check_pair (& config->own.pk, & config->key), "the device's key with its certificate")
        || fails (mbedtls_ssl_conf_own_cert (& config->ssl, & config->own, & config->key), "the device's certificate")) return NULL;
    return config;
}

void hedge_tls_set_time (uint64_t seconds)
{
    the_config.seconds = seconds;
    the_config.at = board_millis ();
}
