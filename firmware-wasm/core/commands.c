/** Commands from the queue, samples aside: each is done and replied to before the next. */
#include "device_parts.h"

static uint32_t running_counter (const hedge_boot * boot)
{
    return boot->active < 0 ? 0 : hedge_slot_at (boot->flash, boot->active)->counter;
}

/** Of the commands that change slots: the verdict, and the number that goes with it. */
static hedge_slot_verdict apply (hedge_boot * boot, const hedge_command * command, uint32_t * o_number)
{
    switch (command->operation)
    {
    case HEDGE_UPDATE:
        return command->data_bytes == HEDGE_SLOT_HEADER_BYTES ? hedge_boot_update_begin (boot, command->data, o_number) : HEDGE_SLOT_BAD_HEADER;
    case HEDGE_CHUNK:
        return hedge_boot_update_chunk (boot, command->number, command->data, command->data_bytes, command->check, o_number);
    case HEDGE_INSTALL:
        return hedge_boot_update_finish (boot);
    case HEDGE_CONFIRM:
        * o_number = running_counter (boot);
        return hedge_boot_confirm (boot);
    default: /* HEDGE_REVERT */
        * o_number = running_counter (boot);
        return hedge_boot_reject (boot);
    }
}

/** What was done to the slots, for people. */
static const char * done (hedge_operation operation)
{
    switch (operation)
    {
    case HEDGE_UPDATE:
        return "an update begins, or goes on";
    case HEDGE_CHUNK:
        return "written";
    case HEDGE_INSTALL:
        return "a new model is there: starting again to try it";
    case HEDGE_CONFIRM:
        return "the model is confirmed";
    default: /* HEDGE_REVERT */
        return "the model on trial is given up: starting again";
    }
}

static void change_slots (hedge_device * device, hedge_port * from, const hedge_command * command)
{
    uint32_t number = 0;
    const hedge_slot_verdict verdict = apply (device->boot, command, & number);
    const bool ok = verdict == HEDGE_SLOT_OK;
    const char * sentence = ok ? done (command->operation) : hedge_slot_verdict_text (verdict);
    /* An update has a hundred chunks: the log is for what is worth a line. */
    if (ok && command->operation == HEDGE_CHUNK) hedge_say_quietly (device, from, command->request, verdict, number, sentence);
    else hedge_say_event (device, from, command->request, verdict, number, sentence);
    if (ok && (command->operation == HEDGE_INSTALL || command->operation == HEDGE_REVERT)) hedge_device_restart (device);
}

static void run (hedge_device * device, hedge_port * from, const hedge_command * command)
{
    switch (command->operation)
    {
    case HEDGE_DESCRIBE:
        hedge_say_description (device, from, command->request);
        break;
    case HEDGE_RESTART:
        hedge_say_event (device, from, command->request, HEDGE_SLOT_OK, 0, "starting again");
        hedge_device_restart (device);
        break;
    case HEDGE_THRESHOLD:
        /* The module compares signed integers; no entropy is above all of them. */
        device->threshold = command->number < INT32_MAX ? command->number : INT32_MAX;
        hedge_say_event (device, from, command->request, HEDGE_SLOT_OK, command->number, "threshold set");
        break;
    default:
        change_slots (device, from, command);
    }
}

bool hedge_commands_run_next (hedge_device * device)
{
    hedge_place * place = hedge_queue_oldest (& device->queue, false);
    if (! place || ! hedge_replies_have_room (& device->replies, place->from)) return false;
    if (place->command.operation == HEDGE_CONFIRM && device->engine.state == HEDGE_ENGINE_TESTING) return false;
    run (device, place->from, & place->command);
    hedge_queue_release (place);
    return true;
}
