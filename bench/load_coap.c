/* What the load generator says and expects over CoAP, with our own codec. */
#include "bind/coap_codec.h"
#include "load.h"

enum { MID_AT = 2, TOKEN_AT = 4, TOKEN_BYTES = 2 };

static void add(gh_coap_message *m, uint16_t number, bool elective, const char *value)
{
  gh_coap_add(m, elective ? (uint16_t)(number + 1) : number, gh_str_of(value));
}

gh_str load_coap_request(const char *path, bool elective)
{
  static gh_buf octets;
  gh_coap_message m = {.type = GH_COAP_CON, .code = GH_COAP_GET, .token_len = TOKEN_BYTES};
  gh_str rest = gh_str_of(path), segment;
  while (gh_str_split(&rest, '/', &segment)) gh_coap_add(&m, GH_COAP_URI_PATH, segment);
  add(&m, GH_COAP_RVI, elective, "3");
  add(&m, GH_COAP_FR, elective, "Cbench");
  add(&m, GH_COAP_RQI, elective, "r1");
  gh_buf_clear(&octets);
  gh_coap_write_udp(&octets, &m);
  return gh_buf_str(&octets);
}

void load_coap_number(char *request, uint16_t mid)
{
  request[MID_AT] = request[TOKEN_AT] = (char)(mid >> 8);
  request[MID_AT + 1] = request[TOKEN_AT + 1] = (char)(mid & 0xff);
}

bool load_coap_is_answer(gh_str datagram, uint16_t mid)
{
  gh_coap_message m;
  if (gh_coap_parse_udp(datagram, &m) != GH_OK) return false;
  return m.type == GH_COAP_ACK && m.mid == mid && m.code == GH_COAP_CONTENT && m.token_len == TOKEN_BYTES &&
         (m.token[0] << 8 | m.token[1]) == mid;
}
