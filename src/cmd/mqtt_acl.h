/* The access control list and the keys of the broker of a CSE, made from what the CSE knows: its registrees and the
 * keys that it was given. Text in mosquitto's formats. */
#ifndef GH_CMD_MQTT_ACL_H
#define GH_CMD_MQTT_ACL_H

#include "host/host.h"

typedef struct gh_mqtt_acl {
  gh_host *host;     /* may be read-only */
  gh_str prefix;     /* topic levels in front of /oneM2M */
  gh_str user;       /* of the CSE itself: the common name of its certificate */
  gh_str registrar;  /* absolute CSE-ID, or empty */
  size_t user_count; /* set */
} gh_mqtt_acl;

enum { GH_MQTT_ACL_NAME_MAX = 64 }; /* octets of a common name */

/* The user that the broker makes of a credential: the PSK identity, or the common name in the certificate of an AE or
 * CSE. False: it makes none of it, so no topic proves whoever registered with it. */
bool gh_mqtt_acl_user(gh_arena *arena, const gh_self *self, gh_str credential_id, gh_str *user);
/* Appends the list, users in the order of their names. */
GH_MUST_USE gh_err gh_mqtt_acl_write(gh_mqtt_acl *acl, gh_buf *out, gh_diag *diag);
/* Appends "identity:key" lines of the provisioned keys; the keyring must be loaded. Wipe the buffer. */
GH_MUST_USE gh_err gh_mqtt_psk_write(gh_host *host, gh_buf *out, size_t *count, gh_diag *diag);

#endif
