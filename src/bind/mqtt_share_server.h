/* How many requests each originator has under way: one of them must not hold every place at a CSE that reads all of
 * them from one connection. No lock of its own. */
#ifndef GH_BIND_MQTT_SHARE_SERVER_H
#define GH_BIND_MQTT_SHARE_SERVER_H

#include "base/arena.h"

typedef struct gh_mqtt_shares gh_mqtt_shares;

gh_mqtt_shares *gh_mqtt_shares_new(uint32_t each);
void gh_mqtt_shares_free(gh_mqtt_shares *shares);
/* One more of this originator (level of the topic). False: it has its share, and nothing is counted. */
bool gh_mqtt_shares_take(gh_mqtt_shares *shares, gh_str originator);
void gh_mqtt_shares_give(gh_mqtt_shares *shares, gh_str originator);

#endif
