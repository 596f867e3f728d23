/* Octets <-> CoAP message: headers of UDP and TCP, the option list, the payload. Knows no option by name. */
#include "bind/coap_codec.h"

enum { PAYLOAD_MARKER = 0xff, LEN_8 = 13, LEN_16 = 14, LEN_32 = 15 };

static uint8_t octet(gh_str s, size_t at)
{
  return (uint8_t)s.ptr[at];
}

/* The 4-bit field of an option's delta or length, with its extension (RFC 7252 clause 3.1). */
static bool read_extended(gh_str octets, size_t *at, uint32_t nibble, uint32_t *value)
{
  *value = nibble;
  if (nibble < 13) return true;
  if (nibble == 15) return false;
  size_t more = nibble == 13 ? 1 : 2;
  if (octets.len - *at < more) return false;
  *value =
      nibble == 13 ? 13u + octet(octets, *at) : 269u + (uint32_t)(octet(octets, *at) << 8 | octet(octets, *at + 1));
  *at += more;
  return true;
}

/* Options and payload, from `octets` on. */ /*= RFC 7252 3.1 */
static gh_err read_options(gh_str octets, gh_coap_message *out)
{
  size_t at = 0;
  uint32_t number = 0;
  while (at < octets.len) {
    uint8_t head = octet(octets, at++);
    uint32_t delta, len;
    if (head == PAYLOAD_MARKER) {
      GH_REQUIRE(at < octets.len, GH_ESYNTAX); /* a marker with nothing behind it */
      out->payload = gh_str_sub(octets, at, octets.len);
      return GH_OK;
    }
    GH_REQUIRE(read_extended(octets, &at, head >> 4, &delta), GH_ESYNTAX);
    GH_REQUIRE(read_extended(octets, &at, head & 15, &len), GH_ESYNTAX);
    number += delta;
    GH_REQUIRE(number <= UINT16_MAX && len <= octets.len - at, GH_ESYNTAX);
    GH_REQUIRE(out->option_count < GH_COAP_OPTIONS_MAX, GH_ELIMIT);
    out->options[out->option_count++] = (gh_coap_option){(uint16_t)number, gh_str_sub(octets, at, len)};
    at += len;
  }
  return GH_OK;
}

static gh_err read_token_and_rest(gh_str octets, uint8_t token_len, gh_coap_message *out)
{
  GH_REQUIRE(token_len <= GH_COAP_TOKEN_MAX && token_len <= octets.len, GH_ESYNTAX);
  if (token_len) memcpy(out->token, octets.ptr, token_len);
  out->token_len = token_len;
  return read_options(gh_str_sub(octets, token_len, octets.len), out);
}

static void begin_message(gh_coap_message *out)
{
  out->type = GH_COAP_CON;
  out->mid = 0;
  out->token_len = 0;
  out->option_count = 0;
  out->payload = GH_STR_NONE;
}

/*= RFC 7252 3; TS-0008 6.2.1 version 1 */
gh_err gh_coap_parse_udp(gh_str datagram, gh_coap_message *out)
{
  begin_message(out);
  GH_REQUIRE(datagram.len >= 4 && octet(datagram, 0) >> 6 == 1, GH_ESYNTAX);
  out->type = (gh_coap_type)(octet(datagram, 0) >> 4 & 3);
  out->code = octet(datagram, 1);
  out->mid = (uint16_t)(octet(datagram, 2) << 8 | octet(datagram, 3));
  /*= RFC 7252 4.1 an Empty message has nothing behind the Message ID */
  GH_REQUIRE(out->code != GH_COAP_EMPTY || datagram.len == 4, GH_ESYNTAX);
  return read_token_and_rest(gh_str_sub(datagram, 4, datagram.len), octet(datagram, 0) & 15, out);
}

/* Octets of the frame's head before the token, and of options and payload. */ /*= RFC 8323 3.2 */
static bool read_tcp_head(gh_str octets, size_t *head, uint64_t *body)
{
  if (octets.len < 1) return false;
  uint8_t nibble = octet(octets, 0) >> 4;
  size_t extended = nibble < LEN_8 ? 0 : nibble == LEN_8 ? 1 : nibble == LEN_16 ? 2 : 4;
  if (octets.len < 1 + extended) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < extended; i++) value = value << 8 | octet(octets, 1 + i);
  static const uint64_t base[] = {[LEN_8] = 13, [LEN_16] = 269, [LEN_32] = 65805};
  *body = nibble < LEN_8 ? nibble : base[nibble] + value;
  *head = 1 + extended + 1; /* and the code */
  return true;
}

gh_err gh_coap_frame_len(gh_str octets, size_t most, size_t *len)
{
  size_t head;
  uint64_t body;
  if (octets.len && (octet(octets, 0) & 15) > GH_COAP_TOKEN_MAX) return GH_ESYNTAX;
  GH_REQUIRE(read_tcp_head(octets, &head, &body), GH_EAGAIN);
  uint64_t total = head + (octet(octets, 0) & 15u) + body;
  GH_REQUIRE(total <= most, GH_ELIMIT);
  *len = (size_t)total;
  return GH_OK;
}

gh_err gh_coap_parse_tcp(gh_str frame, gh_coap_message *out)
{
  size_t head;
  uint64_t body;
  begin_message(out);
  GH_REQUIRE(read_tcp_head(frame, &head, &body) && frame.len >= head, GH_ESYNTAX);
  GH_REQUIRE(frame.len == head + (octet(frame, 0) & 15u) + body, GH_ESYNTAX);
  out->code = octet(frame, head - 1);
  return read_token_and_rest(gh_str_sub(frame, head, frame.len), octet(frame, 0) & 15, out);
}

/* ------------------------------------------------------------------------------------------------- writing */

static uint8_t nibble_of(size_t value)
{
  return value < 13 ? (uint8_t)value : value < 269 ? 13 : 14;
}

static void write_extension(gh_buf *out, size_t value)
{
  if (value < 13) return;
  if (value < 269) {
    gh_buf_add_char(out, (char)(value - 13));
    return;
  }
  gh_buf_add_char(out, (char)((value - 269) >> 8));
  gh_buf_add_char(out, (char)((value - 269) & 0xff));
}

static void write_options(gh_buf *out, const gh_coap_message *message)
{
  uint16_t number = 0;
  for (size_t i = 0; i < message->option_count; i++) {
    const gh_coap_option *option = &message->options[i];
    size_t delta = (size_t)(option->number - number);
    gh_buf_add_char(out, (char)(nibble_of(delta) << 4 | nibble_of(option->value.len)));
    write_extension(out, delta);
    write_extension(out, option->value.len);
    gh_buf_add(out, option->value);
    number = option->number;
  }
  if (!message->payload.len) return;
  gh_buf_add_char(out, (char)PAYLOAD_MARKER);
  gh_buf_add(out, message->payload);
}

void gh_coap_write_udp(gh_buf *out, const gh_coap_message *message)
{
  gh_buf_reserve(out, 64 + message->payload.len);
  gh_buf_add_char(out, (char)(1 << 6 | (int)message->type << 4 | message->token_len));
  gh_buf_add_char(out, (char)message->code);
  gh_buf_add_char(out, (char)(message->mid >> 8));
  gh_buf_add_char(out, (char)(message->mid & 0xff));
  gh_buf_add_bytes(out, message->token, message->token_len);
  write_options(out, message);
}

static size_t options_len(const gh_coap_message *message)
{
  size_t total = message->payload.len ? 1 + message->payload.len : 0;
  uint16_t number = 0;
  for (size_t i = 0; i < message->option_count; i++) {
    size_t delta = (size_t)(message->options[i].number - number), len = message->options[i].value.len;
    total += 1 + (delta < 13 ? 0u : delta < 269 ? 1u : 2u) + (len < 13 ? 0u : len < 269 ? 1u : 2u) + len;
    number = message->options[i].number;
  }
  return total;
}

/*= RFC 8323 3.2 */
void gh_coap_write_tcp(gh_buf *out, const gh_coap_message *message)
{
  size_t len = options_len(message);
  uint8_t nibble = len < 13 ? (uint8_t)len : len < 269 ? LEN_8 : len < 65805 ? LEN_16 : LEN_32;
  size_t extended = nibble < LEN_8 ? 0 : nibble == LEN_8 ? 1 : nibble == LEN_16 ? 2 : 4;
  size_t rest = len - (nibble < LEN_8 ? len : nibble == LEN_8 ? 13 : nibble == LEN_16 ? 269 : 65805);
  gh_buf_reserve(out, 16 + len);
  gh_buf_add_char(out, (char)(nibble << 4 | message->token_len));
  for (size_t i = extended; i-- > 0;) gh_buf_add_char(out, (char)(rest >> (8 * i) & 0xff));
  gh_buf_add_char(out, (char)message->code);
  gh_buf_add_bytes(out, message->token, message->token_len);
  write_options(out, message);
}
