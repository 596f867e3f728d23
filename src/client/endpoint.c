/* End points as text. */
#include "client/endpoint.h"

#include <errno.h>
#include <stdio.h>

static bool host_valid(gh_str host)
{
  for (size_t i = 0; i < host.len; i++)
    if ((unsigned char)host.ptr[i] <= 0x20 || strchr("/?#@[]", host.ptr[i])) return false;
  return host.len > 0;
}

gh_err gh_endpoint_parse(gh_str text, gh_endpoint *out)
{
  size_t colon = gh_str_rfind(text, ':');
  GH_REQUIRE(colon != SIZE_MAX, GH_ESYNTAX);
  gh_str host = gh_str_sub(text, 0, colon), port = gh_str_sub(text, colon + 1, SIZE_MAX);
  uint64_t number;
  GH_REQUIRE(port.len <= 5 && gh_str_to_u64(port, &number) && number <= 65535, GH_ESYNTAX);
  bool bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
  if (bracketed) host = gh_str_sub(host, 1, host.len - 2);
  GH_REQUIRE(host_valid(host) && bracketed == (gh_str_find(host, ':') != SIZE_MAX), GH_ESYNTAX);
  GH_REQUIRE(gh_str_to_cstr(host, out->host, sizeof out->host), GH_ESYNTAX);
  out->port = (uint16_t)number;
  return GH_OK;
}

static gh_err from_file(gh_str path, gh_endpoint *out, gh_diag *diag)
{
  char name[4096], line[300] = "";
  if (!gh_str_to_cstr(path, name, sizeof name))
    return gh_fail(diag, GH_EINVAL, "the path of the end point is too long");
  FILE *file = fopen(name, "re");
  if (!file)
    return gh_fail(diag, errno == ENOENT ? GH_ENOTFOUND : GH_EACCES,
                   "cannot open %s: is the entity running, and does it listen there?", name);
  bool got = fgets(line, sizeof line, file) != NULL;
  fclose(file);
  line[strcspn(line, "\r\n")] = '\0';
  if (!got || gh_endpoint_parse(gh_str_of(line), out) != GH_OK)
    return gh_fail(diag, GH_ESYNTAX, "%s does not hold host:port", name);
  return GH_OK;
}

gh_err gh_endpoint_find(gh_str text, gh_endpoint *out, gh_diag *diag)
{
  gh_str scheme = GH_STR("file:");
  if (gh_str_starts(text, scheme))
    GH_TRY(from_file(gh_str_sub(text, scheme.len, SIZE_MAX), out, diag));
  else if (gh_endpoint_parse(text, out) != GH_OK)
    return gh_fail(diag, GH_ESYNTAX, "'%.*s' is not host:port", GH_STR_ARG(text));
  return out->port ? GH_OK : gh_fail(diag, GH_EINVAL, "port 0 cannot be reached");
}

bool gh_endpoint_valid(gh_str text)
{
  gh_endpoint ignored;
  gh_str scheme = GH_STR("file:");
  return gh_str_starts(text, scheme) ? text.len > scheme.len : gh_endpoint_parse(text, &ignored) == GH_OK;
}
