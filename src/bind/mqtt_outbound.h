/* The outbound port over MQTT (TS-0010): requests of a CSE to another one, or to an AE of its own, at the same
 * broker, matched by rqi. What comes as a response is believed because the broker lets nobody but that entity publish
 * it: only for a broker that enforces our access control list. */
#ifndef GH_BIND_MQTT_OUTBOUND_H
#define GH_BIND_MQTT_OUTBOUND_H

#include "bind/mqtt_server.h"
#include "host/outbound.h"

typedef struct gh_mqtt_outbound gh_mqtt_outbound;

typedef struct gh_mqtt_outbound_options { /* text must outlive it */
  gh_self self;
  const gh_str *entities; /* absolute CSE-IDs that are reached so */
  size_t entity_count;
  /* Further CSEs; asked on the worker, for each call to none of these. May be NULL. */
  bool (*reaches)(void *ctx, gh_str entity);
  void *ctx;
  gh_str prefix;    /* of topics */
  gh_outbound next; /* takes the calls to all others */
  gh_worker *const *workers;
  size_t worker_count;
  gh_random random;
  const gh_log *log;
} gh_mqtt_outbound_options;

/* GH_ESYNTAX: an identifier cannot stand in a topic. */
GH_MUST_USE gh_err gh_mqtt_outbound_new(const gh_mqtt_outbound_options *options, gh_mqtt_outbound **out);
gh_outbound gh_mqtt_outbound_port(gh_mqtt_outbound *outbound);
/* For calls to AEs that are registered with this host: they go through the broker whoever they are for. */
gh_outbound gh_mqtt_outbound_ae_port(gh_mqtt_outbound *outbound);
/* Is the broker there now? */
bool gh_mqtt_outbound_is_open(gh_mqtt_outbound *outbound);
/* Before the server starts: what it hands over responses to. */
gh_mqtt_responses gh_mqtt_outbound_responses(gh_mqtt_outbound *outbound);
/* Before the first call. */
void gh_mqtt_outbound_use(gh_mqtt_outbound *outbound, gh_mqtt_server *server);
/* While the workers run, after the server was stopped: fails what waits. */
void gh_mqtt_outbound_stop(gh_mqtt_outbound *outbound);
/* After the workers have ended. */
void gh_mqtt_outbound_free(gh_mqtt_outbound *outbound);

#endif
