/* Names of errors and the operator's diagnostic text. */
#include "gatehouse/error.h"

#include <stdarg.h>
#include <stdio.h>

const char *gh_err_name(gh_err err)
{
  switch (err) {
  case GH_OK: return "ok";
  case GH_EINVAL: return "invalid";
  case GH_ESYNTAX: return "syntax";
  case GH_ERANGE: return "out-of-range";
  case GH_ELIMIT: return "limit-reached";
  case GH_ENOTFOUND: return "not-found";
  case GH_EEXIST: return "exists";
  case GH_EACCES: return "no-access";
  case GH_EAUTH: return "not-authenticated";
  case GH_EEXPIRED: return "expired";
  case GH_ETIMEOUT: return "timeout";
  case GH_ECONN: return "not-reachable";
  case GH_EPROTO: return "protocol";
  case GH_EIO: return "input-output";
  case GH_EAGAIN: return "not-yet";
  case GH_EUNSUPPORTED: return "unsupported";
  case GH_ECRYPTO: return "crypto";
  case GH_ETAMPER: return "tampered";
  case GH_EINTERNAL: return "internal";
  }
  return "unknown";
}

gh_err gh_fail(gh_diag *diag, gh_err err, const char *fmt, ...)
{
  if (!diag) return err;
  va_list args;
  va_start(args, fmt);
  vsnprintf(diag->text, sizeof diag->text, fmt, args);
  va_end(args);
  return err;
}
