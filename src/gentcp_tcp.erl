%% @doc TCP over IPv4 as a callback module:
%% `gen_tcp:connect(Host, Port, [{tcp_module, gentcp_tcp}])'.
%%
%% This is what `inet_tcp' is to the stock driver. OTP calls only what opens a
%% socket here; the socket names {@link gentcp} as the module for all else.
%% Arguments are checked as `inet_tcp' checks them, so that a wrong one raises
%% what it raises there.
%%
%% As the default of a node (`inet_db:set_tcp_module(gentcp_tcp)', or
%% `{tcp, gentcp_tcp}' in an inetrc file) it takes IPv6 addresses as well,
%% because OTP then has no other module to give them to.
-module(gentcp_tcp).

-export([connect/3, connect/4, listen/2, fdopen/2]).
-export([family/0, getserv/1, getaddr/1, getaddr/2, getaddrs/1, getaddrs/2, translate_ip/1]).

-include("gentcp_inet.hrl").

-define(FAMILY, inet).

-spec family() -> inet.
family() -> ?FAMILY.

%% @doc The number of a service.
-spec getserv(inet:port_number() | atom()) -> {ok, inet:port_number()} | {error, atom()}.
getserv(Port) when is_integer(Port) -> {ok, Port};
getserv(Name) when is_atom(Name) -> inet:getservbyname(Name, tcp).

-spec getaddr(term()) -> {ok, inet:ip_address()} | {error, atom()}.
getaddr(Address) -> inet:getaddr(Address, ?FAMILY).

-spec getaddr(term(), term()) -> {ok, inet:ip_address()} | {error, atom()}.
getaddr(Address, Timer) -> inet:getaddr_tm(Address, ?FAMILY, Timer).

-spec getaddrs(term()) -> {ok, [inet:ip_address()]} | {error, atom()}.
getaddrs(Address) -> inet:getaddrs(Address, ?FAMILY).

%% @doc The addresses of a host, found while `Timer' runs.
-spec getaddrs(term(), term()) -> {ok, [inet:ip_address()]} | {error, atom()}.
getaddrs(Address, Timer) ->
    case is_for_inet6(Address) of
        true -> inet:getaddrs_tm(Address, inet6, Timer);
        false -> inet:getaddrs_tm(Address, ?FAMILY, Timer)
    end.

-spec translate_ip(term()) -> term().
translate_ip(Address) -> inet:translate_ip(Address, ?FAMILY).

%% @doc Connects to an address. With a map for the address the third argument
%% is the timeout.
-spec connect(inet:ip_address(), inet:port_number(), [term()]) ->
                     {ok, gentcp:socket()} | {error, atom()};
             (map(), [term()], timeout()) ->
                     {ok, gentcp:socket()} | {error, atom()}.
connect(Address, Port, Opts) when is_integer(Port), is_list(Opts) ->
    connect(Address, Port, Opts, infinity);
connect(#{addr := {A, B, C, D}, port := Port} = Address, Opts, Timeout)
  when ?is_ip(A, B, C, D), ?is_port(Port), is_list(Opts) ->
    gentcp_open:connect(?FAMILY, ?MODULE, Address, Opts, Timeout);
connect(#{family := ?FAMILY, addr := loopback, port := _} = Address, Opts, Timeout) ->
    connect(gentcp_open:loopback(?FAMILY, Address), Opts, Timeout);
connect(#{family := inet6} = Address, Opts, Timeout) when is_list(Opts) ->
    case inet_db:tcp_module() of
        ?MODULE -> gentcp_tcp6:connect(Address, Opts, Timeout);
        _ -> connect_elsewhere(Address, Opts)
    end.

%% An address of the other family, that options have brought here. `inet_tcp' has no clause for
%% it but for the loopback interface, which a socket of this family does not find there.
connect_elsewhere(#{addr := loopback, port := _} = Address, Opts) ->
    _ = gentcp_open:loopback(?FAMILY, Address),
    case inet:connect_options(Opts, ?MODULE) of
        {ok, _} -> {error, eafnosupport};
        {error, Reason} -> exit(Reason)
    end;
connect_elsewhere(Address, Opts) ->
    error(function_clause, [Address, Opts]).

-spec connect(inet:ip_address(), inet:port_number(), [term()], timeout()) ->
          {ok, gentcp:socket()} | {error, atom()}.
connect({A, B, C, D} = IP, Port, Opts, Timeout)
  when ?is_ip(A, B, C, D), ?is_port(Port), Timeout =:= infinity;
       ?is_ip(A, B, C, D), ?is_port(Port), is_integer(Timeout), Timeout >= 0 ->
    gentcp_open:connect(?FAMILY, ?MODULE, {IP, Port}, Opts, Timeout);
connect(IP, Port, Opts, Timeout) when tuple_size(IP) =:= 8 ->
    gentcp_tcp6:connect(IP, Port, Opts, Timeout).

%% @doc Listens on a port. An address in the options overrides it.
-spec listen(inet:port_number(), [term()]) -> {ok, gentcp:socket()} | {error, atom()}.
listen(Port, Opts) ->
    case is_for_inet6(bind_address(Opts)) of
        true -> gentcp_open:listen(inet6, gentcp_tcp6, Port, Opts);
        false -> gentcp_open:listen(?FAMILY, ?MODULE, Port, Opts)
    end.

%% @doc Makes a socket of an open descriptor of this node. It is passive.
-spec fdopen(non_neg_integer(), [term()]) -> {ok, gentcp:socket()} | {error, atom()}.
fdopen(Fd, Opts) ->
    gentcp_open:fdopen(?FAMILY, Fd, Opts).

%% Whether an address is of the other family and yet for this module, as the
%% default of the node.
is_for_inet6(Address) ->
    (tuple_size_of(Address) =:= 8 orelse is_inet6_map(Address))
        andalso inet_db:tcp_module() =:= ?MODULE.

tuple_size_of(Term) when is_tuple(Term) -> tuple_size(Term);
tuple_size_of(_) -> 0.

is_inet6_map(#{family := inet6}) -> true;
is_inet6_map(_) -> false.

%% The last of the addresses to bind, if any.
bind_address(Opts) ->
    lists:foldl(fun({ip, Address}, _) -> Address;
                   ({ifaddr, Address}, _) -> Address;
                   (_, Address) -> Address
                end, undefined, Opts).
