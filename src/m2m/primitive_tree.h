/* Request and response primitives <-> value tree (TS-0004 6.4, 8.4, 8.5): how they travel where a binding has no
 * fields of its own for parameters, WebSocket and MQTT. Pure functions; the octets on either side are made and read
 * by representation.h. Believes nothing of what a tree says.
 *
 * A primitive on the wire is a bare object: {"op":1,"to":"cse-in","rqi":"r1",...} or {"rsc":2000,"rqi":"r1",...}.
 * Where one is nested in Content ({"m2m:rqp":{...}}, {"m2m:rsp":{...}}), take it out with gh_val_unwrap first. */
#ifndef GH_M2M_PRIMITIVE_TREE_H
#define GH_M2M_PRIMITIVE_TREE_H

#include "m2m/primitive.h"

typedef enum gh_primitive_kind {
  GH_PRIMITIVE_REQUEST, /* whatever is no response: reading it says what is wrong */
  GH_PRIMITIVE_RESPONSE /* an object with rsc and without op */
} gh_primitive_kind;

gh_primitive_kind gh_primitive_kind_of(const gh_val *tree);

/* Receiver: tree -> request. Text and values of *out are those of the tree, numbers written as text are in `arena`.
 * Returns 2000, or 4000 and *diag naming the member: unknown members, wrong types, values out of range, op, to or rqi
 * missing. op (0 when unknown), rqi and rvi of *out are filled as far as they could be read also then, so that the
 * refusal can repeat them. fc, fu, atrl, unsupported are filled as by gh_http_to_request; asi is ignored.
 * content_type and accept stay NULL: the binding knows how the octets came. */
int gh_request_from_tree(gh_arena *arena, gh_val *tree, gh_request *out, gh_diag *diag);
/* Sender. op, to and rqi must be set. Borrows from the request. */
gh_val *gh_request_to_tree(gh_arena *arena, const gh_request *request);

/* Receiver: tree -> response; rqi is empty when there is none. GH_ESYNTAX with the member named. */
GH_MUST_USE gh_err gh_response_from_tree(gh_val *tree, gh_response *out, gh_diag *diag);
/* Sender: appends the octets of a whole response. `request` (may be NULL) supplies rqi and rvi where the response has
 * none. A body that is JSON already is copied, not parsed, when JSON is asked for. GH_ESYNTAX when such a body is
 * damaged and would have to be converted; nothing is appended then. */
GH_MUST_USE gh_err gh_response_write(gh_representation representation, gh_buf *out, const gh_request *request,
                                     const gh_response *response);

#endif
