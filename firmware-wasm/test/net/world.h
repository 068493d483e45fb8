/** The world around the network port in tests: a clock that runs as the test says, a device that notes what it gets, and a scripted broker. */
#ifndef HEDGE_TEST_NET_WORLD_H
#define HEDGE_TEST_NET_WORLD_H

#include "lwip/tcp.h"
#include "net.h"

#define BROKER_PORT 1883
#define ROOM 65536

/** Ends the test program, saying where, unless it is so. */
#define expect(what) ((what) ? (void) 0 : failed (__FILE__, __LINE__, #what))
_Noreturn void failed (const char * file, int line, const char * what);

/** Random numbers that are the same in each run. */
extern uint64_t seed;
uint32_t draw (uint32_t below);

/** Whether the device's log goes to standard output. */
extern bool talks;

/* The clock and the cable. */
extern uint32_t now;
extern bool cable;
/** One round of everything; a millisecond passes. */
void turn (void);
void run (uint32_t milliseconds);
/** Until it is so; a test that waits longer than ten minutes of its clock fails. */
#define run_until(what) do { for (uint32_t end_ = now + 600000; ! (what); turn ()) expect (now != end_); } while (0)

/* The Ethernet: what the port sent last, and what it is to receive in its next round. */
typedef struct {
    uint8_t bytes [1600];
    uint32_t length;
} ethernet_frame;

extern ethernet_frame sent;
/** Called for each frame that was sent, if set. */
extern void (* on_sent_frame) (void);
void give_frame (const uint8_t * bytes, uint32_t length);

/* The device. */
extern struct device {
    bool takes;              /* what frame_begin answers */
    bool inside;             /* a frame is under way */
    hedge_frame_type type;
    uint32_t announced;      /* its length */
    uint8_t bytes [ROOM];    /* of the frame under way, or the last one */
    uint32_t length;
    uint32_t frames, refused, abandoned, connected;
    uint64_t time;
} device;

/* The broker. It serves one connection, the last. */
typedef struct {
    uint8_t head;
    uint32_t length;         /* of what is behind the fixed header */
    uint8_t bytes [ROOM];
} packet;

extern struct broker {
    bool listens;            /* else connections are reset */
    int connack;             /* the code it answers with; -1: nothing */
    int suback;              /* the code; -1: nothing */
    bool puback, pingresp;
    bool reads;              /* else the window closes */
    uint32_t connections, refusals, publishes, pubacks, pings, disconnects, subscribes, closes;
    packet connect;          /* the last of each */
    packet publish, before_last_publish;
} broker;

/** What the device sent in that: topic and payload of a PUBLISH. */
bool is_publish (const packet * packet, const char * topic, const void * payload, uint32_t length);
/** Bytes to the device, each piece a segment of its own: `cuts` ascending offsets, or none. */
void broker_send (const uint8_t * bytes, uint32_t length, const uint32_t * cuts, uint32_t cut_count);
/** Closes the connection as a broker that is killed does. */
void broker_kill (void);
/** Writes a PUBLISH packet, QoS 1 if `id` is not 0. */
uint32_t write_publish (uint8_t * o_packet, const char * topic, uint16_t id, const uint8_t * payload, uint32_t length);

/** Starts the port, once; its interface is 10.0.2.15 as if by DHCP, and who connects to BROKER_PORT there comes to `accept`. */
void start_net (const hedge_config * config, tcp_accept_fn accept);

/** A world with a willing broker, the device not connected yet; with `connected` it is. */
void begin (bool connected);

#endif
