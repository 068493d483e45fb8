/** What the device's parts call of each other: device.c (its life), incoming.c (frames), commands.c, engine.c (samples), say.c (replies). */
#ifndef HEDGE_DEVICE_PARTS_H
#define HEDGE_DEVICE_PARTS_H

#include "device.h"

/* say.c */

/** An event to `to`. Sentences are constants: they are sent later. */
void hedge_say_quietly (hedge_device * device, hedge_port * to, uint32_t request, uint32_t code, uint32_t number, const char * sentence);
/** The same, with a line of the log. */
void hedge_say_event (hedge_device * device, hedge_port * to, uint32_t request, uint32_t code, uint32_t number, const char * sentence);
void hedge_say_answer (hedge_device * device, hedge_port * to, const hedge_answer * answer);
void hedge_say_description (hedge_device * device, hedge_port * to, uint32_t request);
/** Something is not taken; a sample gets an answer that says so, too. Floods of them push out nothing else that was to be said. */
void hedge_say_refusal (hedge_device * device, hedge_port * to, uint32_t request, bool is_sample, hedge_event_code why, const char * sentence);
/** Sends what ports take. Returns whether it sent anything. */
bool hedge_say_next (hedge_device * device);

/* engine.c */

/** Loads the model of the slot that runs; one on trial is tested first. */
void hedge_engine_start (hedge_device * device);
/** A step of the model, or what follows the last one. Returns whether there is more to do at once. */
bool hedge_engine_poll (hedge_device * device);
/** The sample under way, if there is one, gets its last answer. */
void hedge_engine_stop (hedge_device * device);
/** Why a sample of so many bytes is not taken; 0 when it is. */
uint32_t hedge_engine_refuses (const hedge_device * device, uint32_t bytes, const char ** o_sentence);
/** The sample's answer as the cloud does not give one. */
void hedge_engine_fall_back (hedge_device * device, hedge_port * reply_to, hedge_answer * io_answer);
/** The model on trial is not good: the device starts again, and with the model before. */
void hedge_engine_give_up_trial (hedge_device * device, uint32_t code, const char * sentence);

/* commands.c */

/** Runs the command that has waited longest; a confirmation waits until the model has passed its test. Returns whether it ran one. */
bool hedge_commands_run_next (hedge_device * device);

/* device.c */

/** The device is to be started again, once this has been said. */
void hedge_device_restart (hedge_device * device);
/** A Result frame came. */
void hedge_device_take_result (hedge_device * device, const uint8_t * frame, uint32_t length);

#endif
