%% The records that inet:connect_options/2 and inet:listen_options/2 return,
%% and the guards of inet_tcp. OTP keeps them in kernel/src/inet_int.hrl, which
%% is no header for others; the tuples are the same in OTP 25 to 28.

-record(connect_opts, {
    ifaddr :: term(),
    port = 0 :: term(),
    fd = -1 :: term(),
    opts = [] :: [term()]
}).

-record(listen_opts, {
    ifaddr :: term(),
    port = 0 :: term(),
    backlog = 5 :: term(),
    fd = -1 :: term(),
    opts = [] :: [term()]
}).

-define(is_port(P), (is_integer(P) andalso 0 =< (P) andalso (P) =< 65535)).

-define(is_ip(A, B, C, D),
        (is_integer(A) andalso is_integer(B) andalso is_integer(C) andalso is_integer(D)
         andalso ((A) bor (B) bor (C) bor (D)) band (bnot 16#FF) =:= 0)).

-define(is_ip6(A, B, C, D, E, F, G, H),
        (is_integer(A) andalso is_integer(B) andalso is_integer(C) andalso is_integer(D)
         andalso is_integer(E) andalso is_integer(F) andalso is_integer(G) andalso is_integer(H)
         andalso ((A) bor (B) bor (C) bor (D) bor (E) bor (F) bor (G) bor (H))
                 band (bnot 16#FFFF) =:= 0)).
