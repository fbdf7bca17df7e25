"""The service's description (WSDL 1.1), generated from the tables of types and operations."""

from collections.abc import Iterable
from functools import cache
from xml.sax.saxutils import quoteattr

from sandbox.kashflow.soap.operations import OPERATIONS, Operation
from sandbox.kashflow.soap.types import SCALARS, TYPES, ComplexType, Member

SERVICE = "KashFlowAPI"
BINDINGS = {"soap": f"{SERVICE}Soap", "soap12": f"{SERVICE}Soap12"}


def wsdl(address: str) -> str:
    """The whole document, the service located at ``address``."""
    ports = "".join(
        f'<wsdl:port name="{name}" binding="tns:{name}"><{prefix}:address location={quoteattr(address)} /></wsdl:port>'
        for prefix, name in BINDINGS.items()
    )
    return f'{_unlocated()}<wsdl:service name="{SERVICE}">{ports}</wsdl:service></wsdl:definitions>'


@cache
def _unlocated() -> str:
    schema = "".join([*_elements(), *map(_complex_type, TYPES.values()), *_arrays()])
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://www.w3.org/2001/XMLSchema" '
        'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" '
        'xmlns:tns="KashFlow" targetNamespace="KashFlow">'
        f'<wsdl:types><s:schema elementFormDefault="qualified" targetNamespace="KashFlow">{schema}</s:schema>'
        f"</wsdl:types>{''.join(map(_messages, OPERATIONS))}"
        f'<wsdl:portType name="{SERVICE}Soap">{"".join(map(_port_operation, OPERATIONS))}</wsdl:portType>'
        f"{''.join(_binding(prefix, name) for prefix, name in BINDINGS.items())}"
    )


def _elements() -> Iterable[str]:
    for operation in OPERATIONS.values():
        yield _wrapper(operation.name, operation.request)
        yield _wrapper(f"{operation.name}Response", operation.response)


def _wrapper(name: str, children: Iterable[Member]) -> str:
    return f'<s:element name="{name}"><s:complexType>{_sequence(children)}</s:complexType></s:element>'


def _sequence(children: Iterable[Member]) -> str:
    return f"<s:sequence>{''.join(map(_element, children))}</s:sequence>"


def _element(member: Member) -> str:
    least = 1 if member.required else 0
    return f'<s:element minOccurs="{least}" maxOccurs="1" name="{member.name}" type="{_type_name(member)}" />'


def _type_name(member: Member) -> str:
    if member.array:
        return f"tns:{_array_name(member)}"
    return f"s:{SCALARS[member.kind]}" if member.is_scalar else f"tns:{member.kind}"


def _array_name(member: Member) -> str:
    return "ArrayOfAnyType" if member.array == "any" else f"ArrayOf{member.kind}"


def _complex_type(described: ComplexType) -> str:
    own = _sequence(described.own)
    if described.base:
        own = f'<s:complexContent><s:extension base="tns:{described.base}">{own}</s:extension></s:complexContent>'
    return f'<s:complexType name="{described.name}">{own}</s:complexType>'


def _arrays() -> Iterable[str]:
    used = {member.kind for described in TYPES.values() for member in described.own if member.array == "typed"}
    used |= {op.result.kind for op in OPERATIONS.values() if op.result is not None and op.result.array}
    for kind in sorted(used):
        yield (
            f'<s:complexType name="ArrayOf{kind}"><s:sequence><s:element minOccurs="0" maxOccurs="unbounded" '
            f'name="{kind}" nillable="true" type="tns:{kind}" /></s:sequence></s:complexType>'
        )
    yield (
        '<s:complexType name="ArrayOfAnyType"><s:sequence><s:element minOccurs="0" maxOccurs="unbounded" '
        'name="anyType" nillable="true" /></s:sequence></s:complexType>'
    )


def _messages(name: str) -> str:
    return (
        f'<wsdl:message name="{name}SoapIn"><wsdl:part name="parameters" element="tns:{name}" /></wsdl:message>'
        f'<wsdl:message name="{name}SoapOut"><wsdl:part name="parameters" element="tns:{name}Response" />'
        "</wsdl:message>"
    )


def _port_operation(name: str) -> str:
    return (
        f'<wsdl:operation name="{name}"><wsdl:input message="tns:{name}SoapIn" />'
        f'<wsdl:output message="tns:{name}SoapOut" /></wsdl:operation>'
    )


def _binding(prefix: str, name: str) -> str:
    operations = "".join(_binding_operation(prefix, OPERATIONS[operation]) for operation in OPERATIONS)
    return (
        f'<wsdl:binding name="{name}" type="tns:{SERVICE}Soap">'
        f'<{prefix}:binding transport="http://schemas.xmlsoap.org/soap/http" />{operations}</wsdl:binding>'
    )


def _binding_operation(prefix: str, operation: Operation) -> str:
    body = f'<{prefix}:body use="literal" />'
    return (
        f'<wsdl:operation name="{operation.name}">'
        f'<{prefix}:operation soapAction="KashFlow/{operation.name}" style="document" />'
        f"<wsdl:input>{body}</wsdl:input><wsdl:output>{body}</wsdl:output></wsdl:operation>"
    )
