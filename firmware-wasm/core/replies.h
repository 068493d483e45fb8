/**
 * What the device has to say until somebody takes it: answers, events, descriptions, in their order for each port. A port that is gone
 * delays nobody else. When the places run out, the oldest reply to a port that is gone goes, or the oldest at all: nothing here blocks.
 */
#ifndef HEDGE_REPLIES_H
#define HEDGE_REPLIES_H

#include "frames.h"
#include "port.h"

/* A board may set how many; 44 bytes each. */
#ifndef HEDGE_REPLIES
#define HEDGE_REPLIES 12
#endif

typedef struct {
    hedge_port * to;
    hedge_frame_type type; /* ANSWER, EVENT or DESCRIPTION */
    bool refuses_sample;   /* an event: the sample's answer, which says "not taken", follows it */
    union {
        hedge_answer answer;
        hedge_event event;
        uint32_t request; /* of a description, which is written when it is sent */
    };
} hedge_reply;

typedef struct {
    /** The first `count` of them, the oldest first. */
    hedge_reply waiting [HEDGE_REPLIES];
    uint32_t count;
    /** Replies that went unsent. */
    uint32_t dropped;
} hedge_replies;

/** Whether another reply to that port would push out none that can still be sent. */
bool hedge_replies_have_room (const hedge_replies * replies, hedge_port * to);
void hedge_replies_add (hedge_replies * replies, const hedge_reply * reply);
/** As `add`, but pushes out nothing, and is dropped instead: for answers to floods. */
void hedge_replies_add_if_room (hedge_replies * replies, const hedge_reply * reply);
/** Writes a reply's frame; returns its length, 0 when it cannot be written. */
typedef uint32_t hedge_reply_writer (void * context, const hedge_reply * reply, uint8_t * o_frame, uint32_t room);
/** Sends the oldest reply of each port that takes it. Returns whether it sent any. */
bool hedge_replies_send (hedge_replies * replies, hedge_reply_writer * write, void * context);
/** Whether replies wait for ports that are there. */
bool hedge_replies_pending (const hedge_replies * replies);

#endif
