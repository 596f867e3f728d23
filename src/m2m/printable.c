/* Makes a foreign name safe to print. */
#include "m2m/printable.h"

enum { SHOWN_BYTES = 40 };

gh_printable gh_printable_of(gh_str name)
{
  gh_printable out = {{0}};
  size_t shown = name.len < SHOWN_BYTES ? name.len : SHOWN_BYTES;
  for (size_t i = 0; i < shown; i++) {
    char c = name.ptr[i];
    out.text[i] = c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? c : '?';
  }
  if (name.len > SHOWN_BYTES) memcpy(out.text + shown, "...", 3);
  return out;
}
