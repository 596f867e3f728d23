/* Points of access that registrees write: what is taken is a protected scheme with host and port, and means the same
 * when it is written again; what is not has a reason. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/poa.h"

#define MUST(cond)                                                                                                   \
  do {                                                                                                               \
    if (!(cond)) abort();                                                                                            \
  } while (0)

static const char *const schemes[] = {"https", "coaps", "coaps+tcp", "mqtts"}; /* by gh_poa_scheme */

static void write_again(const gh_poa *poa, gh_str sp_fqdn)
{
  gh_poa again;
  char text[400 + sizeof poa->at.host];
  bool v6 = strchr(poa->at.host, ':') != NULL;
  snprintf(text, sizeof text, "%s://%s%s%s:%u", schemes[poa->scheme], v6 ? "[" : "", poa->at.host, v6 ? "]" : "",
           poa->at.port);
  MUST(gh_poa_parse(gh_str_of(text), sp_fqdn, &again) == GH_OK);
  MUST(again.scheme == poa->scheme && again.at.port == poa->at.port && strcmp(again.at.host, poa->at.host) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  gh_str text = {(const char *)data, size}, sp_fqdn = GH_STR("sp.example.com");
  gh_poa poa;
  gh_err err = gh_poa_parse(text, sp_fqdn, &poa);
  if (err != GH_OK) {
    MUST((err == GH_ESYNTAX || err == GH_EUNSUPPORTED) && poa.why && poa.why[0]);
    return 0;
  }
  MUST(poa.at.port && poa.at.host[0] && !poa.why);
  MUST(poa.scheme == GH_POA_MQTTS || !poa.prefix.len);
  MUST(!gh_str_starts(text, GH_STR("http:")) && !gh_str_starts(text, GH_STR("ws")) &&
       !gh_str_starts(text, GH_STR("coap:")) && !gh_str_starts(text, GH_STR("mqtt:")));
  write_again(&poa, sp_fqdn);
  return 0;
}
