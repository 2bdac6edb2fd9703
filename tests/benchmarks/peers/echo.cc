// A gRPC server without a model: the limit of the wire. Argument: port.
#include <grpcpp/grpcpp.h>

#include <string>

#include "echo.grpc.pb.h"

using scoreline::bench::Echo;
using scoreline::bench::Row;

class Service final : public Echo::CallbackService {
  grpc::ServerUnaryReactor* Score(grpc::CallbackServerContext* context, const Row* request, Row* response) override {
    response->set_numbers(request->numbers());
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

int main(int, char** arguments) {
  Service service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::string(arguments[1]), grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  builder.BuildAndStart()->Wait();
}
