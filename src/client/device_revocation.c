/* Where the device looks whether certificates are revoked, as it stands in the record of its certificate: who can
 * write the folder cannot turn it off, and a new certificate brings its own. */
#include "client/device_private.h"
#include "bind/web_client.h"
#include "crypto/crl_file.h"

#include <stdlib.h>

#define REVOCATION_BEGINS "-----REVOCATION-----\n" /* then lines "name value"; no PEM is called so */
#define CRL_BEGINS "-----CRL FILE-----\n"          /* and behind them: a path, where there is one */

enum { PATH_BYTES = 4096 };

static const char *const policy_names[] = {[GH_DEVICE_STATUS_USUAL] = "",
                                           [GH_DEVICE_STATUS_OFF] = "off",
                                           [GH_DEVICE_STATUS_SOFT] = "soft",
                                           [GH_DEVICE_STATUS_REQUIRE] = "require"};

static gh_device_status_policy or_usual(gh_device_status_policy policy, gh_device_status_policy usual)
{
  return policy == GH_DEVICE_STATUS_USUAL ? usual : policy;
}

static gh_err check_policies(const gh_device_revocation *r, gh_diag *diag)
{
  if ((unsigned)r->ocsp > GH_DEVICE_STATUS_REQUIRE || r->ocsp == GH_DEVICE_STATUS_OFF)
    return gh_fail(diag, GH_EINVAL, "the policy of a responder is require or soft");
  if ((unsigned)r->stapling > GH_DEVICE_STATUS_REQUIRE)
    return gh_fail(diag, GH_EINVAL, "the policy of stapling is require, soft or off");
  if (r->ocsp != GH_DEVICE_STATUS_USUAL && !r->ocsp_url.len)
    return gh_fail(diag, GH_EINVAL, "there is a policy of a responder, and no responder");
  return GH_OK;
}

static gh_err check_url(const char *what, gh_str url, gh_diag *diag)
{
  if (!url.len || gh_web_url_valid(url)) return GH_OK;
  return gh_fail(diag, GH_EINVAL, "%s: '%.*s' is not http://HOST[:PORT][/PATH]", what,
                 url.len < 200 ? (int)url.len : 200, url.ptr);
}

/* It can be read now; what it says of the CSE counts when it comes. */
static gh_err check_file(gh_str file, char path[static PATH_BYTES], gh_diag *diag)
{
  char given[PATH_BYTES];
  gh_crl_set *lists = NULL;
  path[0] = '\0';
  if (gh_str_empty(file)) return GH_OK;
  if (!gh_str_to_cstr(file, given, sizeof given) || !realpath(given, path))
    return gh_fail(diag, GH_EIO, "the file with the CRLs cannot be found");
  GH_TRY(gh_crl_file_read(path, &lists, diag));
  gh_crl_set_free(lists);
  return GH_OK;
}

static void add_line(gh_buf *out, const char *name, gh_str value)
{
  if (!value.len) return;
  gh_buf_add(out, gh_str_of(name));
  gh_buf_add_char(out, ' ');
  gh_buf_add(out, value);
  gh_buf_add_char(out, '\n');
}

/*= TS-0003 8.1.2.5 */
gh_err gh_device_revocation_write(const gh_device_revocation *r, gh_buf *record, gh_diag *diag)
{
  char path[PATH_BYTES];
  GH_TRY(check_policies(r, diag));
  GH_TRY(check_url("the URL of the lists", r->crl_url, diag));
  GH_TRY(check_url("the URL of the responder", r->ocsp_url, diag));
  GH_TRY(check_file(r->crl_file, path, diag));
  gh_buf_add(record, GH_STR(REVOCATION_BEGINS));
  add_line(record, "crl-url", r->crl_url);
  add_line(record, "ocsp", r->ocsp_url);
  add_line(record, "ocsp-policy", gh_str_of(policy_names[r->ocsp]));
  add_line(record, "stapling", gh_str_of(policy_names[r->stapling]));
  if (path[0]) {
    gh_buf_add(record, GH_STR(CRL_BEGINS));
    gh_buf_add(record, gh_str_of(path));
  }
  return GH_OK;
}

static bool policy_named(gh_str name, gh_device_status_policy *out)
{
  for (unsigned i = GH_DEVICE_STATUS_OFF; i <= GH_DEVICE_STATUS_REQUIRE; i++)
    if (gh_str_eq(name, gh_str_of(policy_names[i]))) {
      *out = (gh_device_status_policy)i;
      return true;
    }
  return false;
}

static gh_err read_line(gh_str line, gh_device_revocation *out)
{
  gh_str name, rest = line;
  if (!gh_str_split(&rest, ' ', &name)) return GH_ETAMPER;
  if (gh_str_eq(name, GH_STR("crl-url")))
    out->crl_url = rest;
  else if (gh_str_eq(name, GH_STR("ocsp")))
    out->ocsp_url = rest;
  else if (gh_str_eq(name, GH_STR("ocsp-policy")))
    return policy_named(rest, &out->ocsp) ? GH_OK : GH_ETAMPER;
  else if (gh_str_eq(name, GH_STR("stapling")))
    return policy_named(rest, &out->stapling) ? GH_OK : GH_ETAMPER;
  else
    return GH_ETAMPER; /* of a later version: what it demands is not known here */
  return GH_OK;
}

/* Cuts the part that begins so off the end of *text. */
static gh_str cut(gh_str *text, const char *beginning)
{
  const char *at = text->len ? memmem(text->ptr, text->len, beginning, strlen(beginning)) : NULL;
  if (!at) return GH_STR_NONE;
  size_t from = (size_t)(at - text->ptr);
  gh_str part = gh_str_sub(*text, from + strlen(beginning), SIZE_MAX);
  *text = gh_str_sub(*text, 0, from);
  return part;
}

gh_err gh_device_revocation_read(gh_str *anchors, gh_device_revocation *out)
{
  gh_str line;
  *out = (gh_device_revocation){.crl_file = cut(anchors, CRL_BEGINS)};
  gh_str lines = cut(anchors, REVOCATION_BEGINS);
  while (gh_str_split(&lines, '\n', &line))
    if (line.len) GH_TRY(read_line(line, out));
  if (out->ocsp_url.len) out->ocsp = or_usual(out->ocsp, GH_DEVICE_STATUS_REQUIRE);
  out->stapling = or_usual(out->stapling, GH_DEVICE_STATUS_SOFT);
  return GH_OK;
}
