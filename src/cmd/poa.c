/* Text to end point. */
#include "cmd/poa.h"

#include <arpa/inet.h>
#include <stdio.h>

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

gh_err gh_poa_endpoint(gh_str poa, gh_str sp_fqdn, gh_endpoint *out)
{
  gh_str scheme = GH_STR("https://"), text;
  /*= TS-0003 8.2.1 SA2 is an association: what is not protected is no point of access for us */
  GH_REQUIRE(gh_str_starts(poa, scheme), gh_str_find(poa, ':') == SIZE_MAX ? GH_ESYNTAX : GH_EUNSUPPORTED);
  text = gh_str_sub(poa, scheme.len, SIZE_MAX);
  if (text.len && text.ptr[text.len - 1] == '/') text = gh_str_sub(text, 0, text.len - 1);
  GH_REQUIRE(gh_str_find(text, '/') == SIZE_MAX, GH_EUNSUPPORTED); /* a path in front of ours */
  size_t colon = gh_str_rfind(text, ':'), bracket = gh_str_rfind(text, ']');
  bool has_port = colon != SIZE_MAX && (bracket == SIZE_MAX || colon > bracket);
  char whole[sizeof out->host + 8];
  GH_REQUIRE(text.len + 5 < sizeof whole, GH_ESYNTAX);
  snprintf(whole, sizeof whole, "%.*s%s", GH_STR_ARG(text), has_port ? "" : ":443");
  GH_TRY(gh_endpoint_parse(gh_str_of(whole), out));
  GH_REQUIRE(out->port, GH_ESYNTAX);
  return is_address(out->host) || is_name_of(gh_str_of(out->host), sp_fqdn) ? GH_OK : GH_EUNSUPPORTED;
}
