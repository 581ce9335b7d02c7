%% @doc Local (Unix) stream sockets as a callback module:
%% `gen_tcp:connect({local, Path}, 0, [{tcp_module, gentcp_local}])'.
%%
%% The option `local' would have OTP pick its own module, so this one takes
%% the place of the option. See {@link gentcp_tcp}.
-module(gentcp_local).

-export([connect/3, connect/4, listen/2, fdopen/2]).
-export([family/0, getserv/1, getaddr/1, getaddr/2, getaddrs/1, getaddrs/2, translate_ip/1]).

-define(FAMILY, local).

-type address() :: {local, iodata()}.

-spec family() -> local.
family() -> ?FAMILY.

%% @doc A local socket has no port.
-spec getserv(0) -> {ok, 0}.
getserv(0) -> {ok, 0}.

-spec getaddr(address()) -> {ok, address()}.
getaddr({?FAMILY, _} = Address) -> {ok, Address}.

-spec getaddr(address(), term()) -> {ok, address()}.
getaddr({?FAMILY, _} = Address, _Timer) -> {ok, Address}.

-spec getaddrs(address()) -> {ok, [address()]}.
getaddrs({?FAMILY, _} = Address) -> {ok, [Address]}.

-spec getaddrs(address(), term()) -> {ok, [address()]}.
getaddrs({?FAMILY, _} = Address, _Timer) -> {ok, [Address]}.

-spec translate_ip(term()) -> term().
translate_ip(any) -> undefined;
translate_ip(loopback) -> {?FAMILY, <<>>};
translate_ip(Address) -> Address.

-spec connect(address(), 0, [term()]) -> {ok, gentcp:socket()} | {error, atom()}.
connect(Address, Port, Opts) ->
    connect(Address, Port, Opts, infinity).

-spec connect(address(), 0, [term()], timeout()) -> {ok, gentcp:socket()} | {error, atom()}.
connect({?FAMILY, _} = Address, 0, Opts, Timeout)
  when Timeout =:= infinity; is_integer(Timeout), Timeout >= 0 ->
    gentcp_open:connect(?FAMILY, ?MODULE, Address, Opts, Timeout).

%% @doc Listens on the path of the option `{ip, {local, Path}}' or `ifaddr'.
-spec listen(0, [term()]) -> {ok, gentcp:socket()} | {error, atom()}.
listen(0, Opts) ->
    gentcp_open:listen(?FAMILY, ?MODULE, 0, Opts).

%% @doc Makes a socket of an open descriptor of this node. It is passive.
-spec fdopen(non_neg_integer(), [term()]) -> {ok, gentcp:socket()} | {error, atom()}.
fdopen(Fd, Opts) ->
    gentcp_open:fdopen(?FAMILY, Fd, Opts).
