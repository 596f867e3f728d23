/* Primitives out of foreign octets, JSON and CBOR. Besides not crashing it must hold that what was read can be
 * written, and that writing is stable. Octet 0 of an input: bit 0 chooses CBOR. */
#include <stdlib.h>

#include "m2m/constants.h"
#include "m2m/primitive_tree.h"

static void must(bool holds)
{
  if (!holds) abort();
}

/* Reads octets and writes what they say; false when they are refused. */
static bool rewrite(gh_representation representation, gh_arena *arena, gh_str octets, gh_buf *out)
{
  gh_val *tree = NULL;
  gh_diag diag = {""};
  if (gh_representation_decode(representation, arena, octets, &tree, &diag) != GH_OK) return false;
  if (gh_primitive_kind_of(tree) == GH_PRIMITIVE_RESPONSE) {
    gh_response response;
    gh_err err = gh_response_from_tree(tree, &response, &diag);
    must(err == GH_OK || (err == GH_ESYNTAX && diag.text[0]));
    return err == GH_OK && gh_response_write(representation, out, NULL, &response) == GH_OK;
  }
  gh_request request;
  int rsc = gh_request_from_tree(arena, tree, &request, &diag);
  must(rsc == GH_RSC_OK || (rsc == GH_RSC_BAD_REQUEST && diag.text[0]));
  if (rsc != GH_RSC_OK) return false;
  must(request.op && request.to.len && request.rqi.len);
  gh_representation_encode(representation, out, gh_request_to_tree(arena, &request));
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 1) return 0;
  gh_representation representation = data[0] & 1 ? GH_REP_CBOR : GH_REP_JSON;
  gh_arena arena;
  gh_buf first = GH_BUF_INIT, second = GH_BUF_INIT;
  gh_arena_init(&arena);
  if (rewrite(representation, &arena, (gh_str){(const char *)data + 1, size - 1}, &first)) {
    must(rewrite(representation, &arena, gh_buf_str(&first), &second));
    must(gh_str_eq(gh_buf_str(&first), gh_buf_str(&second)));
  }
  gh_buf_free(&first);
  gh_buf_free(&second);
  gh_arena_free(&arena);
  return 0;
}
