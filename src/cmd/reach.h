/* How the other functions reach a function: the setting `reach`, "BINDING://auto" or "BINDING://host:port". */
#ifndef GH_CMD_REACH_H
#define GH_CMD_REACH_H

#include "cmd/config.h"

typedef enum gh_reach_binding {
  GH_REACH_NONE, /* "none": it opens connections itself, nobody connects to it */
  GH_REACH_HTTPS,
  GH_REACH_COAPS,
  GH_REACH_COAPS_TCP,
  GH_REACH_MQTT, /* CSEs call it through the broker that both are connected to */
  GH_REACH_WSS   /* its registrees keep a WebSocket open; everybody else uses HTTPS at the same place */
} gh_reach_binding;

/* As a check of configuration. */
bool gh_reach_valid(gh_str text);
/* "auto" of a binding needs a listener of that binding. */
bool gh_reach_listens(const gh_realm_function *function);
gh_reach_binding gh_reach_of(const gh_realm_function *function);
/* Of another provider's IN-CSE: "none", or HTTPS or CoAP at "host:port". */
bool gh_reach_direct(gh_str text);
gh_reach_binding gh_reach_named(gh_str text);
GH_MUST_USE gh_err gh_reach_place(gh_str text, char host[static GH_ENDPOINT_HOST_BYTES], uint16_t *port,
                                  gh_diag *diag);
/* Where that is now. GH_ENOTFOUND: not running, or it does not listen for that binding. */
GH_MUST_USE gh_err gh_reach_endpoint(const gh_realm *realm, const gh_realm_function *function,
                                     char host[static GH_ENDPOINT_HOST_BYTES], uint16_t *port, gh_diag *diag);
/* Point of access to announce, "coaps://127.0.0.1:5684"; `listen_port` is that of HTTPS. Empty: none. */
gh_str gh_reach_point(gh_arena *arena, const gh_realm *realm, const gh_realm_function *function,
                      uint16_t listen_port);

#endif
