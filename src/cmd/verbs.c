/* The table of verbs: a new verb is a new file and a row here. */
#include "cmd/verbs.h"

const gh_verb *const gh_verbs[] = {
    &gh_verb_init,
    &gh_verb_serve,
    &gh_verb_demo,
    &gh_verb_device_new,
    &gh_verb_device_show,
    &gh_verb_device_psk,
    &gh_verb_device_public_key,
    &gh_verb_device_certificate,
    &gh_verb_device_listen,
    &gh_verb_enrol,
    &gh_verb_register,
    &gh_verb_get,
    &gh_verb_create,
    &gh_verb_update,
    &gh_verb_delete,
    &gh_verb_notify,
    &gh_verb_mef_enrolee_add,
    &gh_verb_mef_enrolee_list,
    &gh_verb_mef_enrolee_delete,
    &gh_verb_maf_key_list,
    &gh_verb_maf_key_revoke,
    &gh_verb_cse_key_add,
    &gh_verb_cse_key_list,
    &gh_verb_cse_key_delete,
    &gh_verb_cse_mqtt_acl,
    &gh_verb_ca_issue,
    &gh_verb_ca_renew,
    &gh_verb_ca_name,
    &gh_verb_explain,
    &gh_verb_audit,
    &gh_verb_features,
    &gh_verb_doctor,
    &gh_verb_version,
    &gh_verb_help,
    NULL,
};

bool gh_verb_begins(gh_str word)
{
  gh_str rest, first;
  for (size_t i = 0; gh_verbs[i]; i++) {
    rest = gh_str_of(gh_verbs[i]->words);
    if (gh_str_split(&rest, ' ', &first) && gh_str_eq(first, word)) return true;
  }
  return false;
}

/* How many arguments the words match; 0: none. */
static int match(const char *words, int argc, char **argv)
{
  gh_str rest = gh_str_of(words), word;
  int n = 0;
  while (gh_str_split(&rest, ' ', &word)) {
    if (n == argc || !gh_str_eq(word, gh_str_of(argv[n]))) return 0;
    n++;
  }
  return n;
}

const gh_verb *gh_verb_find(int argc, char **argv, int *used)
{
  const gh_verb *best = NULL;
  *used = 0;
  for (size_t i = 0; gh_verbs[i]; i++) {
    int n = match(gh_verbs[i]->words, argc, argv);
    if (n <= *used) continue;
    best = gh_verbs[i];
    *used = n;
  }
  return best;
}
