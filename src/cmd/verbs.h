/* The table of verbs. */
#ifndef GH_CMD_VERBS_H
#define GH_CMD_VERBS_H

#include "cmd/call.h"

/* In the order of the help; ends with NULL. */
extern const gh_verb *const gh_verbs[];

/* Is this the first word of any verb? */
bool gh_verb_begins(gh_str word);
/* The verb whose words are the longest match of the first arguments; *used says how many. NULL: none. */
const gh_verb *gh_verb_find(int argc, char **argv, int *used);

extern const gh_verb gh_verb_init;
extern const gh_verb gh_verb_serve;
extern const gh_verb gh_verb_demo;
extern const gh_verb gh_verb_device_new;
extern const gh_verb gh_verb_device_show;
extern const gh_verb gh_verb_device_psk;
extern const gh_verb gh_verb_device_public_key;
extern const gh_verb gh_verb_device_certificate;
extern const gh_verb gh_verb_device_listen;
extern const gh_verb gh_verb_enrol;
extern const gh_verb gh_verb_register;
extern const gh_verb gh_verb_get;
extern const gh_verb gh_verb_create;
extern const gh_verb gh_verb_update;
extern const gh_verb gh_verb_delete;
extern const gh_verb gh_verb_notify;
extern const gh_verb gh_verb_mef_enrolee_add;
extern const gh_verb gh_verb_mef_enrolee_list;
extern const gh_verb gh_verb_mef_enrolee_delete;
extern const gh_verb gh_verb_maf_key_list;
extern const gh_verb gh_verb_maf_key_revoke;
extern const gh_verb gh_verb_cse_key_add;
extern const gh_verb gh_verb_cse_key_list;
extern const gh_verb gh_verb_cse_key_delete;
extern const gh_verb gh_verb_cse_mqtt_acl;
extern const gh_verb gh_verb_ca_issue;
extern const gh_verb gh_verb_ca_renew;
extern const gh_verb gh_verb_ca_name;
extern const gh_verb gh_verb_explain;
extern const gh_verb gh_verb_audit;
extern const gh_verb gh_verb_features;
extern const gh_verb gh_verb_doctor;
extern const gh_verb gh_verb_version;
extern const gh_verb gh_verb_help;

#endif
