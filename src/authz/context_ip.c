/* Owns accessControlIpAddresses. Must never compare across families, nor take an unknown address for any. */
#include "authz/context.h"

#include <arpa/inet.h>

#include "base/encoding.h"

enum { ADDR_TEXT_MAX_BYTES = 64, V4_BITS = 32, V6_BITS = 128 };

/* ---- compiling */

/* "address[/prefix]" */
static bool split_prefix(gh_str text, unsigned bits, gh_str *addr, uint8_t *prefix)
{
  uint64_t value = bits;
  size_t slash = gh_str_find(text, '/');
  *addr = gh_str_sub(text, 0, slash);
  if (slash != SIZE_MAX) {
    gh_str digits = gh_str_sub(text, slash + 1, text.len);
    if (digits.len > 3 || !gh_str_to_u64(digits, &value) || value > bits) return false;
  }
  *prefix = (uint8_t)value;
  return true;
}

static bool parse_addr(int family, gh_str text, uint8_t *octets)
{
  char cstr[ADDR_TEXT_MAX_BYTES];
  size_t len;
  /* Eight hexadecimal digits: the pattern of the Release 1 schema, which the schema still admits. */
  if (family == AF_INET && text.len == 8 && gh_hex_decode(text, octets, 4, &len) == GH_OK) return true;
  return gh_str_to_cstr(text, cstr, sizeof(cstr)) && inet_pton(family, cstr, octets) == 1;
}

static gh_err compile_net(gh_compile *c, const gh_val *value, int family, unsigned bits, gh_net *net)
{
  gh_str text, addr;
  GH_TRY(gh_compile_text(c, value, ADDR_TEXT_MAX_BYTES, &text));
  if (!split_prefix(text, bits, &addr, &net->prefix) || !parse_addr(family, addr, net->octets))
    return gh_compile_fail(c, GH_ESYNTAX, "'%.*s' is no address of this family with an optional prefix length",
                           GH_STR_ARG(text));
  return GH_OK;
}

static gh_err compile_v4(gh_compile *c, const gh_val *value, void *net)
{
  return compile_net(c, value, AF_INET, V4_BITS, net);
}

static gh_err compile_v6(gh_compile *c, const gh_val *value, void *net)
{
  return compile_net(c, value, AF_INET6, V6_BITS, net);
}

static gh_err compile_ipv4(gh_compile *c, const gh_val *value, void *out)
{
  gh_nets *nets = out;
  void *items;
  GH_TRY(gh_compile_list(c, value, 1, sizeof(gh_net), compile_v4, &items, &nets->v4_count));
  nets->v4 = items;
  return GH_OK;
}

static gh_err compile_ipv6(gh_compile *c, const gh_val *value, void *out)
{
  gh_nets *nets = out;
  void *items;
  GH_TRY(gh_compile_list(c, value, 1, sizeof(gh_net), compile_v6, &items, &nets->v6_count));
  nets->v6 = items;
  return GH_OK;
}

/*= TS-0004 6.3.5.27; lists of IPv4 and IPv6 addresses, at least one of them */
static const gh_compile_member net_members[] = {{"ipv4", compile_ipv4, false}, {"ipv6", compile_ipv6, false}};

gh_err gh_nets_compile(gh_compile *c, const gh_val *value, gh_nets *nets)
{
  GH_TRY(gh_compile_object(c, value, net_members, sizeof(net_members) / sizeof(net_members[0]), nets));
  if (nets->v4_count + nets->v6_count == 0) return gh_compile_fail(c, GH_ESYNTAX, "neither ipv4 nor ipv6");
  nets->present = true;
  return GH_OK;
}

/* ---- matching */

gh_peer_addr gh_peer_addr_plain(const gh_peer_addr *peer)
{
  static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (peer->family != 6 || memcmp(peer->octets, mapped, sizeof(mapped)) != 0) return *peer;
  gh_peer_addr plain = {.family = 4};
  memcpy(plain.octets, peer->octets + sizeof(mapped), 4);
  return plain;
}

static bool in_net(const gh_net *net, const uint8_t *octets)
{
  size_t whole = net->prefix / 8;
  unsigned rest = net->prefix % 8;
  if (memcmp(net->octets, octets, whole) != 0) return false;
  if (rest == 0) return true;
  uint8_t mask = (uint8_t)(0xff << (8 - rest));
  return ((net->octets[whole] ^ octets[whole]) & mask) == 0;
}

static gh_truth in_any(const gh_net *nets, size_t count, const uint8_t *octets)
{
  for (size_t i = 0; i < count; i++) {
    if (in_net(&nets[i], octets)) return GH_YES;
  }
  return GH_NO;
}

/*= TS-0003 7.1.5; res_ip */
gh_truth gh_nets_match(const gh_nets *nets, const gh_peer_addr *plain)
{
  if (plain->family == 4) return in_any(nets->v4, nets->v4_count, plain->octets);
  if (plain->family == 6) return in_any(nets->v6, nets->v6_count, plain->octets);
  return GH_UNKNOWN;
}
