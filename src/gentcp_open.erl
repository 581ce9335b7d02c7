%% @doc What the callback modules of the three families have in common: they
%% read an option list as `inet_tcp' and its kin do and have the port program
%% open the socket.
%%
%% The allowed names, the defaults from the environment of `kernel' and the
%% last entry of several winning come from `inet:connect_options/2' and
%% `inet:listen_options/2', so they are what this OTP release does.
%% @private
-module(gentcp_open).

-export([options/2, loopback/2, connect/5, listen/4, fdopen/3, read/1]).

-export_type([family/0, remote/0]).

-include("gentcp_inet.hrl").

-type family() :: inet | inet6 | local.
-type remote() :: {inet:ip_address(), inet:port_number()} | {local, iodata()} | map().

%% @doc Options that have `gen_tcp' open the socket here. They name the
%% callback module that takes the place of the one that `gen_tcp' would pick by
%% the options and the address to connect to; it drops all family options.
-spec options([term()], term()) -> [term()].
options([{inet_backend, _} | Opts], Address) ->
    options(Opts, Address);
options(Opts, Address) ->
    [{inet_backend, inet}, {tcp_module, module(Opts, Address)} | without_module(Opts)].

%% Of several modules the last one counts since OTP 29, before it the first.
without_module([{tcp_module, _} | Opts]) -> without_module(Opts);
without_module([Opt | Opts]) -> [Opt | without_module(Opts)];
without_module(Tail) -> Tail.

%% As inet:tcp_module/2: the first atom that names a family, else the last
%% address, else what the node has for a default.
module([inet | _], _Address) -> gentcp_tcp;
module([inet6 | _], _Address) -> gentcp_tcp6;
module([local | _], _Address) -> gentcp_local;
module([{ip, Address} | Opts], _) -> module(Opts, Address);
module([{ifaddr, Address} | Opts], _) -> module(Opts, Address);
module([_ | Opts], Address) -> module(Opts, Address);
module(_, {local, _}) -> gentcp_local;
module(_, #{family := inet6}) -> gentcp_tcp6;
module(_, Address) when tuple_size(Address) =:= 8 -> gentcp_tcp6;
module(_, _) ->
    case inet_db:tcp_module() of
        Module when Module =:= inet6_tcp; Module =:= gentcp_tcp6 -> gentcp_tcp6;
        _ -> gentcp_tcp
    end.

%% @doc The socket address of the loopback interface, which can be connected to
%% by that name since OTP 27.
-spec loopback(inet | inet6, map()) -> map().
loopback(Family, #{addr := loopback} = Address) ->
    case list_to_integer(erlang:system_info(otp_release)) >= 27 of
        true -> Address#{addr := inet:translate_ip(loopback, Family)};
        false -> error(function_clause, [Family, Address])
    end.

%% @doc Opens a connection. Bad options exit with `badarg'; so do, in
%% `gen_tcp', those that are refused, for which `{error, einval}' is returned.
-spec connect(family(), module(), remote(), [term()], timeout()) ->
          {ok, gentcp_port:socket()} | {error, atom()}.
connect(Family, Module, Remote, Opts0, Timeout) ->
    {Opts, Faults} = faults(Opts0),
    case inet:connect_options(Opts, Module) of
        {ok, Record} ->
            #{ifaddr := Address, port := Port, fd := Fd, opts := SockOpts} = Read = read(Record),
            Local = local(Family, Address, Port, is_map(Remote)),
            Options = start_options(Fd) ++ protocol(Family, Read)
                          ++ gentcp_proto:options(SockOpts) ++ Faults,
            open(gentcp_credit:requested(SockOpts, {active, infinity}),
                 {connect, Family, Remote, Local, Options, Timeout}, Timeout);
        {error, Reason} ->
            exit(Reason)
    end.

%% inet knows all options but this one.
faults(Opts) ->
    IsFault = fun(Opt) -> is_tuple(Opt) andalso element(1, Opt) =:= gentcp_fault end,
    try lists:partition(IsFault, Opts) of
        {Faults, Others} -> {Others, gentcp_proto:options(Faults)}
    catch
        %% No list: inet's to refuse.
        error:_ -> {Opts, []}
    end.

%% connect binds only what it is told to bind.
local(_Family, undefined, 0, _) ->
    undefined;
local(Family, undefined, Port, _) ->
    address(Family, any, Port);
local(_Family, #{}, _Port, false) ->
    exit(badarg);
local(Family, Address, Port, _) ->
    address(Family, Address, Port).

%% @doc Opens a listen socket. Bad options exit with `badarg', refused ones are
%% `{error, einval}'.
-spec listen(family(), module(), inet:port_number(), [term()]) ->
          {ok, gentcp_port:socket()} | {error, atom()}.
listen(Family, Module, Port0, Opts0) ->
    {Opts, Faults} = faults(Opts0),
    case inet:listen_options([{port, Port0} | Opts], Module) of
        {ok, Record} ->
            #{ifaddr := Address, port := Port, backlog := Backlog, fd := Fd,
              opts := SockOpts} = Read = read(Record),
            Local = bound(Family, Address, Port, Fd),
            Options = [{backlog, backlog(Backlog)}
                       | start_options(Fd) ++ protocol(Family, Read)
                          ++ gentcp_proto:options(SockOpts) ++ Faults],
            open(gentcp_credit:requested(SockOpts, {active, infinity}), {listen, Family, Local, Options}, infinity);
        {error, Reason} ->
            exit(Reason)
    end.

%% listen binds to any address if it is told none, but for a descriptor, which
%% is bound already.
bound(_Family, undefined, Port, Fd) when is_integer(Fd), Fd >= 0 ->
    0 = Port,
    undefined;
bound(local, undefined, 0, _Fd) ->
    undefined;
bound(Family, undefined, Port, _Fd) ->
    address(Family, any, Port);
bound(Family, Address, Port, _Fd) ->
    address(Family, Address, Port).

backlog(true) -> 5;
backlog(false) -> 0;
backlog(N) when is_integer(N) -> N.

%% @doc Makes a socket of a descriptor of this node.
-spec fdopen(family(), non_neg_integer(), [term()]) ->
          {ok, gentcp_port:socket()} | {error, atom()}.
fdopen(Family, Fd, Opts) when is_integer(Fd), Fd >= 0 ->
    open(gentcp_credit:requested(Opts, {passive, infinity}),
         {fdopen, Family, Fd, gentcp_proto:options(Opts)}, infinity).

%% The limit includes the start of a port program.
open(Settings, Command, infinity) ->
    open(Settings, Command, infinity, infinity);
open(Settings, Command, Limit) ->
    open(Settings, Command, Limit, erlang:monotonic_time(millisecond) + Limit).

%% A router that has died under our hands took nothing with it; the next one
%% serves as well.
open(Settings, Command, Limit, Deadline) ->
    case gentcp_sup:router(Deadline) of
        {ok, Router} ->
            Left = left(Limit, Deadline),
            case gentcp_call:open(Router, Settings, within(Left, Command), Left) of
                {error, noproc} -> open(Settings, Command, Left, Deadline);
                %% Bad options of the user have had their exit by now. What
                %% is bad in the defaults of the node is an error in stock.
                {error, {bad_option, _}} -> {error, einval};
                {error, {bad_command, _}} -> {error, einval};
                Result -> Result
            end;
        Error ->
            Error
    end.

left(infinity, infinity) -> infinity;
left(Limit, Deadline) -> min(Limit, max(0, Deadline - erlang:monotonic_time(millisecond))).

within(Limit, {connect, _, _, _, _, _} = Command) -> setelement(6, Command, Limit);
within(_Limit, Command) -> Command.

%% An address to bind, or an exit as `inet_tcp' gives it.
address(local, {local, _} = Address, 0) ->
    Address;
address(inet, {A, B, C, D} = IP, Port) when ?is_ip(A, B, C, D), ?is_port(Port) ->
    {IP, Port};
address(inet6, {A, B, C, D, E, F, G, H} = IP, Port)
  when ?is_ip6(A, B, C, D, E, F, G, H), ?is_port(Port) ->
    {IP, Port};
address(Family, any, Port) when Family =/= local, ?is_port(Port) ->
    {any, Port};
address(Family, #{addr := Name} = Address, _Port) when Family =/= local, is_atom(Name) ->
    Address#{addr := inet:translate_ip(Name, Family)};
address(Family, #{} = Address, _Port) when Family =/= local ->
    Address;
address(_Family, _Address, _Port) ->
    exit(badarg).

%% What is needed to make the descriptor: a namespace, or one that is there.
start_options(Fd) when is_integer(Fd), Fd >= 0 -> [{fd, Fd}];
start_options([{netns, _}] = Options) -> Options;
start_options(_) -> [].

%% @doc What `inet:connect_options/2' and `inet:listen_options/2' have read. Their
%% records are OTP's own (`kernel/src/inet_int.hrl'), and have grown within releases:
%% the fields have been in this order ever since, a release that lacks the last ones
%% has a shorter record, and what a newer one puts behind them is nothing of ours.
-spec read(tuple()) -> #{atom() => term()}.
read(Record) ->
    [Name | Values] = tuple_to_list(Record),
    maps:from_list(named(fields(Name), Values)).

fields(connect_opts) -> [ifaddr, port, fd, opts, protocol];
fields(listen_opts) -> [ifaddr, port, backlog, fd, opts, protocol].

named([Field | Fields], [Value | Values]) -> [{Field, Value} | named(Fields, Values)];
named(_, _) -> [].

%% The protocol below the socket. Local sockets have but one.
protocol(Family, #{protocol := mptcp}) when Family =/= local -> [{protocol, mptcp}];
protocol(_Family, _) -> [].
