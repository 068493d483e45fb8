/** Replies in one list: a dozen, moved up when one goes. */
#include "replies.h"

#include <string.h>

static void remove_at (hedge_replies * io, uint32_t index)
{
    memmove (& io->waiting [index], & io->waiting [index + 1], (--io->count - index) * sizeof io->waiting [0]);
}

/** The first reply to a port that is gone; `count` when there is none. */
static uint32_t first_stranded (const hedge_replies * replies)
{
    uint32_t i = 0;
    while (i < replies->count && replies->waiting [i].to->ready (replies->waiting [i].to)) ++i;
    return i;
}

bool hedge_replies_have_room (const hedge_replies * replies, hedge_port * to)
{
    return replies->count < HEDGE_REPLIES || ! to->ready (to) || first_stranded (replies) < replies->count;
}

void hedge_replies_add (hedge_replies * replies, const hedge_reply * reply)
{
    if (replies->count == HEDGE_REPLIES)
    {
        const uint32_t stranded = first_stranded (replies);
        remove_at (replies, stranded < replies->count ? stranded : 0);
        ++replies->dropped;
    }
    replies->waiting [replies->count++] = * reply;
}

void hedge_replies_add_if_room (hedge_replies * replies, const hedge_reply * reply)
{
    if (replies->count < HEDGE_REPLIES) replies->waiting [replies->count++] = * reply;
    else ++replies->dropped;
}

/** What is left of a reply once its frame went out: nothing, but for a refusal's answer. */
static void sent (hedge_replies * io, uint32_t index)
{
    hedge_reply * reply = & io->waiting [index];
    if (! reply->refuses_sample)
    {
        remove_at (io, index);
        return;
    }
    const uint32_t request = reply->event.request;
    reply->type = HEDGE_FRAME_ANSWER;
    reply->refuses_sample = false;
    reply->answer = (hedge_answer) { .request = request, .source = HEDGE_NOT_TAKEN };
}

/** Whether an older reply to the same port waits. */
static bool has_older (const hedge_replies * replies, uint32_t index)
{
    for (uint32_t i = 0; i < index; ++i)
        if (replies->waiting [i].to == replies->waiting [index].to) return true;
    return false;
}

bool hedge_replies_send (hedge_replies * replies, hedge_reply_writer * write, void * context)
{
    uint8_t frame [HEDGE_SMALL_FRAME_LIMIT];
    bool sent_any = false;
    for (uint32_t i = 0; i < replies->count;)
    {
        const hedge_reply * reply = & replies->waiting [i];
        hedge_port * to = reply->to;
        const uint32_t length = to->ready (to) && ! has_older (replies, i) ? write (context, reply, frame, sizeof frame) : 0;
        if (length && to->send (to, reply->type, frame, length))
        {
            sent (replies, i);
            sent_any = true;
        }
        else ++i;
    }
    return sent_any;
}

bool hedge_replies_pending (const hedge_replies * replies)
{
    for (uint32_t i = 0; i < replies->count; ++i)
        if (replies->waiting [i].to->ready (replies->waiting [i].to)) return true;
    return false;
}
