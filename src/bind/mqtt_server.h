/* A host as a client of an MQTT broker (TS-0010): requests that the broker delivers become exchanges, answers are
 * published. The broker is the other end of the security association; what it says of the sender counts only where
 * the operator says that it enforces our access control list. */
#ifndef GH_BIND_MQTT_SERVER_H
#define GH_BIND_MQTT_SERVER_H

#include "bind/mqtt_topic_codec.h"
#include "host/host.h"

typedef struct gh_mqtt_limits {
  size_t max_payload_bytes;    /* of a request */
  uint32_t max_under_way;      /* requests with the gate; over it nothing more is read from the broker */
  uint32_t max_under_way_each; /* of one originator; over it requests are refused (5000) */
  uint32_t max_unsent;         /* answers that the broker has not confirmed; over it requests are dropped */
  uint32_t seen;               /* requests that are remembered, so that a duplicate is not performed again */
} gh_mqtt_limits;
extern const gh_mqtt_limits gh_mqtt_default_limits;

/* Who takes the responses to requests of this host; on the thread of the connection. */
typedef struct gh_mqtt_responses {
  void *ctx;
  void (*take)(void *ctx, const gh_mqtt_topic *topic, gh_str payload); /* NULL: nobody */
  uint32_t (*waiting)(void *ctx); /* requests of this host that wait for a response: what waits for them does not
                                     count against max_under_way, or reading would stop for what must be read */
} gh_mqtt_responses;

typedef struct gh_mqtt_options { /* text must outlive the server */
  gh_host *host;
  gh_worker *const *workers;
  size_t worker_count;
  const char *broker_host;
  uint16_t broker_port;
  gh_str prefix;          /* topic levels in front of /oneM2M, or empty */
  gh_tls_client *tls;     /* the CSE's certificate and the name that the broker's must bear; its source of status may
                             wait; NULL: clear text */
  int64_t association_us; /* longest life of a connection; 0: as long as the certificates. A new one follows */
  bool enforces;          /* the broker authenticates its clients and runs our access control list */
  const gh_log *log;
  gh_mqtt_responses responses;
  gh_mqtt_limits limits; /* zeros: gh_mqtt_default_limits */
} gh_mqtt_options;

typedef struct gh_mqtt_server gh_mqtt_server;

/* Connects in a thread of its own, and again whenever the broker is lost. GH_EINVAL. */
GH_MUST_USE gh_err gh_mqtt_server_start(const gh_mqtt_options *options, gh_mqtt_server **out, gh_diag *diag);
/* Any thread: a new connection with these credentials takes the place of the present one, without a pause; the
 * session at the broker, and answers that wait, go on. Takes over `fresh`. */
void gh_mqtt_server_renew(gh_mqtt_server *server, gh_tls_client *fresh);
/* Any thread: sends a request of this host. False, and nothing was sent, while the broker is not connected. `topic`
 * ends with a NUL. */
bool gh_mqtt_server_publish(gh_mqtt_server *server, gh_str topic, gh_str payload);
/* Any thread. */
bool gh_mqtt_server_is_connected(gh_mqtt_server *server);
/* While the workers run: what is under way is answered (up to drain_ms), then the connection ends; the broker keeps
 * the session and what comes for it. */
void gh_mqtt_server_stop(gh_mqtt_server *server, uint32_t drain_ms);
/* After the workers have ended. */
void gh_mqtt_server_free(gh_mqtt_server *server);

typedef struct gh_mqtt_counters {
  uint64_t connects, requests, answers, duplicates, dropped, over_share;
} gh_mqtt_counters;
void gh_mqtt_counters_get(gh_mqtt_server *server, gh_mqtt_counters *out);

#endif
