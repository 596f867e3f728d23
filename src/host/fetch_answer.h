/* What the issuer of a key answers, judged: the key and whom it stands for, or why it is none. */
#ifndef GH_HOST_FETCH_ANSWER_H
#define GH_HOST_FETCH_ANSWER_H

#include "host/fetch.h"

typedef struct gh_fetch_answer {
  gh_err err;      /* GH_OK; GH_EAUTH: the issuer says that there is no such key; else it has not said */
  const char *why; /* static text */
  gh_secret key;   /* wipe it */
  gh_peer peer;    /* in the arena of the call */
} gh_fetch_answer;

/* Where `id` (canonical) was asked for in the first or in the older form. */
void gh_fetch_judge_answer(const gh_host *host, gh_outbound_call *call, const gh_fetch_options *options, gh_str id,
                           bool older_form, gh_fetch_answer *out);

#endif
