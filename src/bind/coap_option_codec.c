/* Options: which are known, how long they may be, which may repeat; adding and finding them. */
#include "bind/coap_codec.h"

typedef struct option_def {
  uint16_t number;
  uint16_t shortest, longest;
  bool repeatable;
} option_def;

/* Ascending. What is critical and missing here is refused: If-Match, If-None-Match, OSCORE, Q-Block. Times of day are
 * taken up to 22 octets, so that a fraction or a relative time is no reason to refuse. */
/*= RFC 7252 5.10; RFC 7959 2.1; TS-0008 6.2.2.4.0 */
static const option_def known[] = {
    {GH_COAP_URI_HOST, 1, 255, false},
    {GH_COAP_URI_PORT, 0, 2, false},
    {GH_COAP_LOCATION_PATH, 0, 255, true},
    {GH_COAP_URI_PATH, 0, 255, true},
    {GH_COAP_CONTENT_FORMAT, 0, 2, false},
    {GH_COAP_MAX_AGE, 0, 4, false},
    {GH_COAP_URI_QUERY, 0, 255, true},
    {GH_COAP_ACCEPT, 0, 2, false},
    {GH_COAP_BLOCK2, 0, 3, false},
    {GH_COAP_BLOCK1, 0, 3, false},
    {GH_COAP_SIZE2, 0, 4, false},
    {GH_COAP_PROXY_URI, 1, 1034, false},
    {GH_COAP_PROXY_SCHEME, 1, 255, false},
    {GH_COAP_SIZE1, 0, 4, false},
    {GH_COAP_OT, 1, 22, false},
    {GH_COAP_RTURI, 0, 255, false},
    {GH_COAP_TY, 0, 2, false},
    {GH_COAP_RVI, 1, 2, false},
    {GH_COAP_ASRI, 0, 255, false},
    {GH_COAP_FR, 0, 255, false},
    {GH_COAP_RQI, 0, 255, false},
    {GH_COAP_RQET, 1, 22, false},
    {GH_COAP_RSET, 1, 22, false},
    {GH_COAP_OET, 1, 22, false},
    {GH_COAP_EC, 0, 1, false},
    {GH_COAP_RSC, 0, 2, false},
    {GH_COAP_GID, 0, 255, false},
    {GH_COAP_CTO, 0, 2, false},
    {GH_COAP_CTS, 0, 2, false},
    {GH_COAP_ATI, 0, 255, false},
    {GH_COAP_VSI, 0, 255, false},
    {GH_COAP_GTM, 0, 512, false},
    {GH_COAP_AUS, 0, 255, false},
};
enum { KNOWN_COUNT = sizeof known / sizeof *known };

static const option_def *def_of(uint16_t number)
{
  size_t low = 0, high = KNOWN_COUNT;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (known[middle].number < number)
      low = middle + 1;
    else
      high = middle;
  }
  return low < KNOWN_COUNT && known[low].number == number ? &known[low] : NULL;
}

/*= RFC 7252 5.4.1; RFC 7252 5.4.3; RFC 7252 5.4.5; TS-0008 6.2.2.4.0 */
uint16_t gh_coap_check_options(gh_coap_message *message)
{
  size_t kept = 0;
  uint16_t refused = 0;
  for (size_t i = 0; i < message->option_count; i++) {
    const gh_coap_option option = message->options[i];
    const option_def *def = def_of(option.number);
    bool again = kept && message->options[kept - 1].number == option.number && !(def && def->repeatable);
    bool good = def && option.value.len >= def->shortest && option.value.len <= def->longest && !again;
    if (good)
      message->options[kept++] = option;
    else if ((option.number & 1) && !refused)
      refused = option.number;
  }
  message->option_count = kept;
  return refused;
}

bool gh_coap_add(gh_coap_message *message, uint16_t number, gh_str value)
{
  if (message->option_count == GH_COAP_OPTIONS_MAX) return false;
  size_t at = message->option_count++;
  for (; at > 0 && message->options[at - 1].number > number; at--) message->options[at] = message->options[at - 1];
  message->options[at] = (gh_coap_option){number, value};
  return true;
}

/*= RFC 7252 3.2 as few octets as possible */
bool gh_coap_add_uint(gh_arena *arena, gh_coap_message *message, uint16_t number, uint32_t value)
{
  char octets[4];
  size_t len = 0;
  for (int shift = 24; shift >= 0; shift -= 8)
    if (len || value >> shift) octets[len++] = (char)(value >> shift & 0xff);
  return gh_coap_add(message, number, gh_arena_dup(arena, (gh_str){octets, len}));
}

const gh_coap_option *gh_coap_find(const gh_coap_message *message, uint16_t number)
{
  for (size_t i = 0; i < message->option_count; i++)
    if (message->options[i].number == number) return &message->options[i];
  return NULL;
}

bool gh_coap_find_uint(const gh_coap_message *message, uint16_t number, uint32_t *value)
{
  const gh_coap_option *option = gh_coap_find(message, number);
  if (!option || option->value.len > 4) return false;
  *value = 0;
  for (size_t i = 0; i < option->value.len; i++) *value = *value << 8 | (uint8_t)option->value.ptr[i];
  return true;
}
