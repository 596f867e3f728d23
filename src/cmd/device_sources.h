/* What a device's sources of revocation are, and whether they answer now: rows that `device show` and `doctor` tell.
 */
#ifndef GH_CMD_DEVICE_SOURCES_H
#define GH_CMD_DEVICE_SOURCES_H

#include "cmd/call.h"
#include "gatehouse/client.h"

typedef struct gh_source_row {
  const char *name; /* "crl", "crlUrl", "ocsp", "stapling" */
  gh_str what;      /* path, URL, or policy; empty: not used */
  gh_str policy;    /* "require", "soft" or "off" */
  gh_str until;     /* lists: end of the first, empty: none */
  bool over;        /* that is past */
  gh_str said;      /* a responder: "the device's own certificate is good" */
  gh_str fault;     /* why it does not answer; empty: it does */
  bool mute;        /* `fault` is no failure: it answers */
} gh_source_row;

enum { GH_SOURCE_ROWS = 4 };

/* GH_ENOTFOUND: the device has no certificate. Text is in the call's arena. */
GH_MUST_USE gh_err gh_device_sources(gh_call *call, gh_device *device, gh_source_row rows[static GH_SOURCE_ROWS]);

#endif
