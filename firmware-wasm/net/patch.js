/**
 * Writes lwIP's MQTT client with its faults mended: node patch.js SOURCE TARGET
 *
 * The faults are those of lwIP 2.1.3. What a patch replaces must be there, once, so that another version is refused rather than built half mended.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** [what is wrong, what is replaced, by what]. */
const PATCHES = [
  [
    "the next piece of a message overwrites those of which the buffer was not full yet",
    "pbuf_copy_partial(p, client->rx_buffer + fixed_hdr_len, cpy_len, in_offset);",
    "pbuf_copy_partial(p, client->rx_buffer + fixed_hdr_len + held, cpy_len, in_offset);",
  ],
  [
    "see above: the pieces held are those behind the last full buffer",
    "buffer_space = MQTT_VAR_HEADER_BUFFER_LEN - fixed_hdr_len;",
    `const u16_t room = MQTT_VAR_HEADER_BUFFER_LEN - fixed_hdr_len;
      const u16_t held = (u16_t)((client->msg_idx - fixed_hdr_len) % room);
      buffer_space = room - held;`,
  ],
  [
    "see above: what is passed on counts from the start of the buffer",
    "mqtt_message_received(client, fixed_hdr_len, cpy_len, msg_rem_len);",
    "mqtt_message_received(client, fixed_hdr_len, held + cpy_len, msg_rem_len);",
  ],
  [
    "a length of more than four bytes (MQTT 3.1.1, 2.2.3) runs over the buffer",
    "      fixed_hdr_len++;\n",
    `      fixed_hdr_len++;
      if (fixed_hdr_len == 5 && (b & 0x80) != 0) {
        return MQTT_CONNECT_DISCONNECTED;
      }
`,
  ],
  [
    "an empty message is believed whatever it is",
    "            mqtt_message_received(client, fixed_hdr_len, 0, 0);\n",
    `            const mqtt_connection_status_t res = mqtt_message_received(client, fixed_hdr_len, 0, 0);
            if (res != MQTT_CONNECT_ACCEPTED) {
              return res;
            }
`,
  ],
  [
    "an acknowledgement is read behind its end, or taken from the middle of a longer message",
    "    /* Get packet identifier */\n",
    `    if (length < 2 || remaining_length > 0) {
      goto out_disconnect;
    }
    /* Get packet identifier */
`,
  ],
  [
    "without room for its PUBACK a message stays open at the broker for ever, and in time all that it has in flight",
    "        pub_ack_rec_rel_response(client, resp_msg, client->inpub_pkt_id, 0);\n",
    `        if (pub_ack_rec_rel_response(client, resp_msg, client->inpub_pkt_id, 0) != ERR_OK) {
          goto out_disconnect;
        }
`,
  ],
  [
    "a ring that is filled to the last byte counts as empty",
    "return (total_len <= mqtt_ringbuf_free(rb));",
    "return (total_len < mqtt_ringbuf_free(rb));",
  ],
  [
    "closing towards a silent broker keeps what was not sent in memory until TCP gives up, minutes later: abort instead",
    "res = altcp_close(client->conn);",
    "res = reason == MQTT_CONNECT_TIMEOUT ? ERR_TIMEOUT : altcp_close(client->conn);",
  ],
];

const [source, target] = process.argv.slice(2);
if (!source || !target) {
  console.error("usage: node patch.js SOURCE TARGET");
  process.exit(2);
}
let text = readFileSync(source, "utf8").replaceAll("\r\n", "\n");
for (const [fault, from, to] of PATCHES) {
  const parts = text.split(from);
  if (parts.length !== 2) {
    console.error(
      `${source}: ${JSON.stringify(from)} is there ${parts.length - 1} times instead of once. A patch replaces it, since ${fault}. ` +
        "Use lwIP 2.1.3, or adapt firmware-wasm/net/patch.js",
    );
    process.exit(1);
  }
  text = parts.join(to);
}
mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, text);
