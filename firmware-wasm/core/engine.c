/** Samples on the model: one at a time, a step per poll; what follows the last step is as the host device does it (src/device/client.ts). */
#include "board.h"
#include "crypto.h"
#include "device_parts.h"
#include "log.h"

#include <string.h>

void hedge_engine_give_up_trial (hedge_device * device, uint32_t code, const char * sentence)
{
    /* Nothing is marked: the next boot finds a model that was tried and not confirmed, as behind a hang or a power cut, and says that it reverted.
       By then there is a network to say it to. */
    const uint32_t counter = hedge_slot_at (device->boot->flash, device->boot->active)->counter;
    hedge_say_event (device, device->network, 0, code, counter, sentence);
    device->gave_up = true;
    hedge_device_restart (device);
}

void hedge_engine_start (hedge_device * device)
{
    hedge_boot * boot = device->boot;
    device->engine.state = HEDGE_ENGINE_IDLE;
    device->has_model = false;
    if (boot->active < 0)
    {
        hedge_say_event (device, device->network, 0, HEDGE_EVENT_STARTED, 0, "started without a model");
        return;
    }
    const hedge_slot_header * header = hedge_slot_at (boot->flash, boot->active);
    const char * flaw = hedge_model_load (& device->model, header);
    if (flaw)
    {
        hedge_log ("wasm3 does not take the model: %s", flaw);
        if (boot->trial) hedge_engine_give_up_trial (device, HEDGE_SLOT_UNRUNNABLE, "the new model does not load");
        else hedge_say_event (device, device->network, 0, HEDGE_SLOT_UNRUNNABLE, header->counter, "the model does not load");
        return;
    }
    device->has_model = true;
    hedge_log ("slot %u: a model of counter %u", (unsigned) boot->active, (unsigned) header->counter);
    device->threshold = header->threshold_value;
    if (! boot->trial)
    {
        hedge_say_event (device, device->network, 0, HEDGE_EVENT_STARTED, 1, "started");
        return;
    }
    device->engine.state = HEDGE_ENGINE_TESTING;
    hedge_model_begin (& device->model, NULL, device->threshold);
}

uint32_t hedge_engine_refuses (const hedge_device * device, uint32_t bytes, const char ** o_sentence)
{
    if (! device->has_model)
    {
        * o_sentence = "there is no model";
        return HEDGE_EVENT_NO_MODEL;
    }
    if (bytes == device->model.header->input_bytes) return 0;
    * o_sentence = "a sample has another size than the model's input";
    return HEDGE_EVENT_WRONG_SIZE;
}

/** Puts the sample that has waited longest on the model, if its answer will find room. */
static bool begin_next (hedge_device * device)
{
    if (! device->has_model) return false;
    hedge_place * place = hedge_queue_oldest (& device->queue, true);
    if (! place || ! hedge_replies_have_room (& device->replies, place->from)) return false;
    hedge_engine * engine = & device->engine;
    hedge_model_begin (& device->model, place->command.data, device->threshold);
    engine->state = HEDGE_ENGINE_RUNNING;
    engine->reply_to = place->from;
    engine->answer = (hedge_answer) { .request = place->command.request };
    /* The model has its own copy of the sample. */
    hedge_queue_release (place);
    return true;
}

static void trapped (hedge_device * device, const char * trap)
{
    hedge_engine * engine = & device->engine;
    const bool tested = engine->state == HEDGE_ENGINE_TESTING;
    hedge_log ("step %u: %s", (unsigned) device->model.next_step, trap);
    engine->state = HEDGE_ENGINE_IDLE;
    if (! tested) hedge_say_refusal (device, engine->reply_to, engine->answer.request, true, HEDGE_EVENT_TRAPPED, "the model trapped");
    if (device->boot->trial) hedge_engine_give_up_trial (device, HEDGE_SLOT_TRAPPED, "the new model trapped");
}

/** The last step is done: a sure answer goes out, another waits for a place among the offers. */
static void finished (hedge_device * device)
{
    hedge_engine * engine = & device->engine;
    hedge_answer * answer = & engine->answer;
    if (engine->state == HEDGE_ENGINE_TESTING)
    {
        engine->state = HEDGE_ENGINE_IDLE;
        hedge_say_event (device, device->network, 0, HEDGE_EVENT_STARTED, 2, "started on trial");
        return;
    }
    const hedge_slot_header * header = device->model.header;
    hedge_model_result result;
    hedge_model_result_of (& device->model, & result);
    ++device->counts.samples;
    answer->label = answer->edge_label = result.label;
    answer->entropy = result.entropy;
    answer->check = hedge_crc32 (0, result.row, result.row_bytes);
    if (result.exited || ! (header->flags & HEDGE_SLOT_HYBRID))
    {
        ++device->counts.exited;
        answer->source = HEDGE_BY_EDGE;
        hedge_say_answer (device, engine->reply_to, answer);
        engine->state = HEDGE_ENGINE_IDLE;
        return;
    }
    answer->check = hedge_crc32 (answer->check, result.payload, header->payload_bytes);
    /* The clock runs while the sample waits for a place, too. */
    engine->deadline = board_millis () + device->config->deadline_ms;
    engine->state = HEDGE_ENGINE_UNSURE;
}

void hedge_engine_fall_back (hedge_device * device, hedge_port * reply_to, hedge_answer * io_answer)
{
    ++device->counts.unconfirmed;
    io_answer->source = HEDGE_BY_FALLBACK;
    hedge_say_answer (device, reply_to, io_answer);
}

/** Hands the unsure sample over to the offers, which keep its payload: the model is free for the next. */
static bool hold (hedge_device * device)
{
    hedge_engine * engine = & device->engine;
    const uint32_t now = board_millis ();
    hedge_offer * offer = hedge_offers_hold (& device->offers, now);
    if (! offer && (int32_t) (now - engine->deadline) < 0) return false;
    ++device->counts.offloaded;
    engine->state = HEDGE_ENGINE_IDLE;
    if (! offer)
    {
        hedge_engine_fall_back (device, engine->reply_to, & engine->answer);
        return true;
    }
    hedge_model_result result;
    hedge_model_result_of (& device->model, & result);
    offer->sample = device->next_sample++;
    offer->reply_to = engine->reply_to;
    offer->answer = engine->answer;
    offer->deadline = engine->deadline;
    offer->payload_bytes = device->model.header->payload_bytes;
    memcpy (offer->frame + HEDGE_OFFLOAD_OVERHEAD, result.payload, offer->payload_bytes);
    return true;
}

void hedge_engine_stop (hedge_device * device)
{
    hedge_engine * engine = & device->engine;
    if (engine->state == HEDGE_ENGINE_RUNNING)
        hedge_say_refusal (device, engine->reply_to, engine->answer.request, true, HEDGE_EVENT_NO_ROOM, "the device starts again");
    if (engine->state == HEDGE_ENGINE_UNSURE)
    {
        ++device->counts.offloaded;
        hedge_engine_fall_back (device, engine->reply_to, & engine->answer);
    }
    engine->state = HEDGE_ENGINE_IDLE;
}

bool hedge_engine_poll (hedge_device * device)
{
    hedge_engine * engine = & device->engine;
    if (engine->state == HEDGE_ENGINE_IDLE) return begin_next (device);
    if (engine->state == HEDGE_ENGINE_UNSURE) return hold (device);
    const char * trap;
    const uint32_t before = board_micros ();
    const hedge_model_progress progress = hedge_model_step (& device->model, & trap);
    engine->answer.micros += board_micros () - before;
    if (progress == HEDGE_MODEL_TRAPPED) trapped (device, trap);
    else if (progress == HEDGE_MODEL_DONE) finished (device);
    return true;
}
