/* Request and response primitives (TS-0004 6.4, 7.2). Plain structs that own nothing: all text and values
 * live in the arena of the request. */
#ifndef GH_M2M_PRIMITIVE_H
#define GH_M2M_PRIMITIVE_H

#include "m2m/representation.h"
#include "m2m/value.h"

typedef enum gh_op {
  GH_OP_CREATE = 1,
  GH_OP_RETRIEVE = 2,
  GH_OP_UPDATE = 3,
  GH_OP_DELETE = 4,
  GH_OP_NOTIFY = 5
} gh_op;

/* "CREATE" .. "NOTIFY", or "?" */
const char *gh_op_name(int op);

enum { GH_RCN_ABSENT = -1 };

typedef struct gh_request {
  gh_op op;
  gh_str to;
  gh_str from; /* empty when absent; data, never an identity (TS-0003 7.2) */
  bool has_from;
  gh_str rqi;
  gh_str rvi;  /* empty when absent */
  uint32_t ty; /* 0 when absent */
  bool has_ty;
  gh_val *pc; /* NULL when absent */
  int rcn;    /* GH_RCN_ABSENT when absent */
  int rt;     /* responseType value; 3 (blocking) when absent */
  gh_str ot;
  gh_str rqet; /* as text; resolved against the time of receipt */
  gh_str rset;
  gh_str gid;
  gh_str vsi;
  int fu;             /* filterUsage; 0 when absent */
  int drt;            /* 1 structured (default), 2 unstructured */
  bool has_fc;        /* any filter condition present */
  gh_val *fc;         /* object of the conditions by short name, or NULL */
  gh_val *atrl;       /* array of attribute short names, or NULL */
  gh_str unsupported; /* short name of the first parameter that is known but not supported here: 5001 */

  /* Not of the primitive: how its Content came or shall go, and how the Content of the answer shall; NULL:
   * application/json. A request that is passed on keeps them. */
  const gh_media_type *content_type;
  const gh_media_type *accept;
} gh_request;

typedef struct gh_response {
  int rsc;
  gh_str rqi;
  gh_str rvi;
  gh_val *pc;      /* NULL: none, or `body` holds it already serialized */
  gh_str body;     /* serialized JSON Content; used instead of pc when not empty */
  gh_str location; /* Content-Location of a created resource, or empty */
} gh_response;

/* Content as a tree, whichever way the response holds it; *out is NULL when there is none. The tree borrows from
 * `body`. GH_ESYNTAX when that is damaged. */
GH_MUST_USE gh_err gh_response_content(gh_arena *arena, const gh_response *response, gh_val **out);

/* Sets rsc and {"m2m:dbg": text}; the text goes to the client, so it must name fields only, no secret and no policy.
 */
void gh_response_error(gh_arena *arena, gh_response *response, int rsc, const char *fmt, ...) GH_PRINTF(4, 5);

#endif
