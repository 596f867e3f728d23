/* One request from topic and payload to its answer, whoever carries them: the part of the MQTT binding that needs no
 * broker. */
#ifndef GH_BIND_MQTT_CALL_SERVER_H
#define GH_BIND_MQTT_CALL_SERVER_H

#include <pthread.h>

#include "bind/mqtt_topic_codec.h"
#include "host/host.h"

/* The last requests by their topic's originator and their rqi: QoS 1 delivers at least once. */
typedef struct gh_mqtt_seen gh_mqtt_seen;
gh_mqtt_seen *gh_mqtt_seen_new(size_t count);
void gh_mqtt_seen_free(gh_mqtt_seen *seen);
/* True when this one is new; it is remembered. Any thread. */
bool gh_mqtt_seen_add(gh_mqtt_seen *seen, const gh_mqtt_topic *topic, gh_str rqi);
/* The same, and it is not remembered. */
bool gh_mqtt_seen_is_new(gh_mqtt_seen *seen, const gh_mqtt_topic *topic, gh_str rqi);

typedef struct gh_mqtt_call {
  gh_exchange x;
  gh_task task;
  gh_mqtt_topic topic; /* text in the arena */
  gh_str payload;      /* in the arena */
  bool enforces;
  gh_mqtt_seen *seen;
  bool is_duplicate; /* no answer */
  bool is_unreadable;
  bool is_over_share; /* refused without being performed, and not remembered: it may be repeated as it is */
  /* On the worker, once. `payload` is the answer, or empty: none is due. */
  void (*answer)(struct gh_mqtt_call *call, gh_str payload);
  void *owner;
} gh_mqtt_call;

/* What a call is made from. */
typedef struct gh_mqtt_delivery {
  gh_host *host;
  gh_worker *worker;
  const gh_mqtt_topic *topic;
  gh_str payload;
  gh_str broker; /* for logs and audit */
  bool enforces;
  bool is_over_share;
  gh_mqtt_seen *seen;
  void *owner;
  void (*answer)(gh_mqtt_call *call, gh_str payload);
} gh_mqtt_delivery;

/* Copies what it is given; any thread. The call is performed by gh_mqtt_call_run on its worker, which frees it after
 * `answer`. */
gh_mqtt_call *gh_mqtt_call_new(const gh_mqtt_delivery *delivery);
void gh_mqtt_call_run(gh_mqtt_call *call);

#endif
