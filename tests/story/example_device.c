/* What a device maker writes: only <gatehouse/...>, only libgatehouse. Reads one resource as the registered device in
 * argv[1]. */
#include <gatehouse/gatehouse.h>
#include <stdio.h>

int main(int argc, char **argv)
{
  gh_device *device = NULL;
  gh_reply reply;
  gh_diag diag = {""};
  if (argc != 3) {
    fprintf(stderr, "usage: %s DEVICE-FOLDER TARGET\n", argv[0]);
    return 2;
  }
  gh_err err = gh_device_open(argv[1], NULL, &device, &diag);
  gh_device_request request = {.op = GH_DEVICE_RETRIEVE, .to = gh_str_of(argv[2]), .rcn = -1};
  if (err == GH_OK) err = gh_device_request_send(device, &request, &reply, &diag);
  if (err == GH_OK) printf("%d %.*s\n", reply.rsc, GH_STR_ARG(reply.content));
  if (err != GH_OK) fprintf(stderr, "%s: %s\n", gh_err_name(err), diag.text);
  int code = err == GH_OK && reply.rsc < 4000 ? 0 : 1;
  gh_device_close(device);
  return code;
}
