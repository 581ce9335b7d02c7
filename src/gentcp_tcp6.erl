%% @doc TCP over IPv6 as a callback module:
%% `gen_tcp:connect(Host, Port, [{tcp_module, gentcp_tcp6}])'.
%%
%% The option `inet6' would have OTP pick its own module, so this one takes
%% the place of the option. See {@link gentcp_tcp}.
-module(gentcp_tcp6).

-export([connect/3, connect/4, listen/2, fdopen/2]).
-export([family/0, getserv/1, getaddr/1, getaddr/2, getaddrs/1, getaddrs/2, translate_ip/1]).

-include("gentcp_inet.hrl").

-define(FAMILY, inet6).

-spec family() -> inet6.
family() -> ?FAMILY.

%% @doc The number of a service.
-spec getserv(inet:port_number() | atom()) -> {ok, inet:port_number()} | {error, atom()}.
getserv(Port) when is_integer(Port) -> {ok, Port};
getserv(Name) when is_atom(Name) -> inet:getservbyname(Name, tcp).

-spec getaddr(term()) -> {ok, inet:ip6_address()} | {error, atom()}.
getaddr(Address) -> inet:getaddr(Address, ?FAMILY).

-spec getaddr(term(), term()) -> {ok, inet:ip6_address()} | {error, atom()}.
getaddr(Address, Timer) -> inet:getaddr_tm(Address, ?FAMILY, Timer).

-spec getaddrs(term()) -> {ok, [inet:ip6_address()]} | {error, atom()}.
getaddrs(Address) -> inet:getaddrs(Address, ?FAMILY).

%% @doc The addresses of a host, found while `Timer' runs.
-spec getaddrs(term(), term()) -> {ok, [inet:ip6_address()]} | {error, atom()}.
getaddrs(Address, Timer) -> inet:getaddrs_tm(Address, ?FAMILY, Timer).

-spec translate_ip(term()) -> term().
translate_ip(Address) -> inet:translate_ip(Address, ?FAMILY).

%% @doc Connects to an address. With a map for the address the third argument
%% is the timeout.
-spec connect(inet:ip6_address(), inet:port_number(), [term()]) ->
                     {ok, gentcp:socket()} | {error, atom()};
             (map(), [term()], timeout()) ->
                     {ok, gentcp:socket()} | {error, atom()}.
connect(Address, Port, Opts) when is_integer(Port), is_list(Opts) ->
    connect(Address, Port, Opts, infinity);
connect(#{addr := {A, B, C, D, E, F, G, H}, port := Port} = Address, Opts, Timeout)
  when ?is_ip6(A, B, C, D, E, F, G, H), ?is_port(Port), is_list(Opts) ->
    gentcp_open:connect(?FAMILY, ?MODULE, Address, Opts, Timeout);
connect(#{addr := loopback, port := _} = Address, Opts, Timeout) ->
    connect(gentcp_open:loopback(?FAMILY, Address), Opts, Timeout).

-spec connect(inet:ip6_address(), inet:port_number(), [term()], timeout()) ->
          {ok, gentcp:socket()} | {error, atom()}.
connect({A, B, C, D, E, F, G, H} = IP, Port, Opts, Timeout)
  when ?is_ip6(A, B, C, D, E, F, G, H), ?is_port(Port), Timeout =:= infinity;
       ?is_ip6(A, B, C, D, E, F, G, H), ?is_port(Port), is_integer(Timeout), Timeout >= 0 ->
    gentcp_open:connect(?FAMILY, ?MODULE, {IP, Port}, Opts, Timeout).

%% @doc Listens on a port. An address in the options overrides it.
-spec listen(inet:port_number(), [term()]) -> {ok, gentcp:socket()} | {error, atom()}.
listen(Port, Opts) ->
    gentcp_open:listen(?FAMILY, ?MODULE, Port, Opts).

%% @doc Makes a socket of an open descriptor of this node. It is passive.
-spec fdopen(non_neg_integer(), [term()]) -> {ok, gentcp:socket()} | {error, atom()}.
fdopen(Fd, Opts) ->
    gentcp_open:fdopen(?FAMILY, Fd, Opts).
