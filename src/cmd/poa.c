/* Text to end point. */
#include "cmd/poa.h"

#include <arpa/inet.h>
#include <stdio.h>

#define IN_CLEAR "in clear text"

/*= TS-0003 8.2.1 SA2 is an association: what is not protected is no point of access for us */
/*= TS-0020 5.2 whoever is registered with us opens its WebSocket itself, and is no server of it */
static const struct {
  const char *scheme;
  gh_poa_scheme kind;
  uint16_t port;   /* where none is written */
  const char *why; /* NULL: we go there */
} schemes[] = {
    {"https://", GH_POA_HTTPS, 443, NULL},
    {"coaps://", GH_POA_COAPS, 5684, NULL},
    {"coaps+tcp://", GH_POA_COAPS_TCP, 5684, NULL},
    {"mqtts://", GH_POA_MQTTS, 8883, NULL},
    {"http://", 0, 0, IN_CLEAR},
    {"coap://", 0, 0, IN_CLEAR},
    {"coap+tcp://", 0, 0, IN_CLEAR},
    {"ws://", 0, 0, IN_CLEAR},
    {"mqtt://", 0, 0, IN_CLEAR},
    {"wss://", 0, 0, "a registree opens its WebSocket itself"},
};
enum { SCHEMES = sizeof schemes / sizeof *schemes };

static bool is_address(const char *host)
{
  uint8_t octets[16];
  return inet_pton(AF_INET, host, octets) == 1 || inet_pton(AF_INET6, host, octets) == 1;
}

static bool is_name_of(gh_str host, gh_str sp_fqdn)
{
  if (host.len <= sp_fqdn.len + 1) return gh_str_eq_nocase(host, sp_fqdn);
  size_t front = host.len - sp_fqdn.len;
  return host.ptr[front - 1] == '.' && gh_str_eq_nocase(gh_str_sub(host, front, SIZE_MAX), sp_fqdn);
}

static gh_err not_for_us(gh_poa *out, gh_err err, const char *why)
{
  out->why = why;
  return err;
}

/* SCHEMES when there is none. */ /*= TS-0004 6.3.3 a scheme may be written in either case */
static size_t scheme_of(gh_str poa)
{
  for (size_t i = 0; i < SCHEMES; i++) {
    gh_str scheme = gh_str_of(schemes[i].scheme);
    if (gh_str_eq_nocase(gh_str_sub(poa, 0, scheme.len), scheme)) return i;
  }
  return SCHEMES;
}

static gh_err read_authority(gh_str text, uint16_t port, gh_poa *out)
{
  size_t colon = gh_str_rfind(text, ':'), bracket = gh_str_rfind(text, ']');
  bool has_port = colon != SIZE_MAX && (bracket == SIZE_MAX || colon > bracket);
  char whole[sizeof out->at.host + 8];
  GH_REQUIRE(text.len + (has_port ? 0 : strlen(":65535")) < sizeof whole, not_for_us(out, GH_ESYNTAX, "too long"));
  if (has_port)
    snprintf(whole, sizeof whole, "%.*s", GH_STR_ARG(text));
  else
    snprintf(whole, sizeof whole, "%.*s:%u", GH_STR_ARG(text), port);
  gh_err err = gh_endpoint_parse(gh_str_of(whole), &out->at);
  return err == GH_OK && out->at.port ? GH_OK : not_for_us(out, GH_ESYNTAX, "no host and port");
}

gh_err gh_poa_parse(gh_str poa, gh_str sp_fqdn, gh_poa *out)
{
  *out = (gh_poa){.why = NULL};
  size_t i = scheme_of(poa);
  if (i == SCHEMES)
    return not_for_us(out, gh_str_find(poa, ':') == SIZE_MAX ? GH_ESYNTAX : GH_EUNSUPPORTED, "an unknown scheme");
  if (schemes[i].why) return not_for_us(out, GH_EUNSUPPORTED, schemes[i].why);
  gh_str text = gh_str_sub(poa, strlen(schemes[i].scheme), SIZE_MAX);
  size_t slash = gh_str_find(text, '/');
  gh_str path = slash == SIZE_MAX ? GH_STR_NONE : gh_str_sub(text, slash + 1, SIZE_MAX);
  out->scheme = schemes[i].kind;
  if (out->scheme == GH_POA_MQTTS) /*= TS-0010 6.6 */
    out->prefix = path;
  else if (path.len)
    return not_for_us(out, GH_EUNSUPPORTED, "a path in front of ours");
  GH_TRY(read_authority(gh_str_sub(text, 0, slash), schemes[i].port, out));
  if (out->scheme == GH_POA_MQTTS || is_address(out->at.host) || is_name_of(gh_str_of(out->at.host), sp_fqdn))
    return GH_OK;
  return not_for_us(out, GH_EUNSUPPORTED, "a name outside the domain of the provider");
}
