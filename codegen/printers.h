// Model in, C++ text out: one function per generated file.
#ifndef NEARCALL_CODEGEN_PRINTERS_H_
#define NEARCALL_CODEGEN_PRINTERS_H_

#include <google/protobuf/io/printer.h>

#include <map>
#include <string>

#include "codegen/model.h"

namespace nearcall::codegen {

using google::protobuf::io::Printer;

// The variables of a printer's $name$ text.
using Variables = std::map<std::string, std::string>;

void PrintHeader(const File& file, Printer& printer);
void PrintSource(const File& file, Printer& printer);
void PrintMock(const File& file, Printer& printer);

// Shared by the three.
Variables VariablesOf(const File& file, const Service& service);
// The same with those of the method. `request` and `response` stand in for the
// method's own types where they are not empty.
Variables VariablesOf(const Variables& service, const Method& method,
                      const std::string& request = "",
                      const std::string& response = "");
void PrintPreamble(const File& file, Printer& printer);
void PrintComments(const Comments& comments, Printer& printer);
void PrintInclude(const Include& include, Printer& printer);
void OpenNamespace(const File& file, Printer& printer);
void CloseNamespace(const File& file, Printer& printer);

}  // namespace nearcall::codegen

#endif  // NEARCALL_CODEGEN_PRINTERS_H_
