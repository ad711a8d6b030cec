//! The `Host` header that HTTP/1.1 requires (RFC 9112 §3.2).

use crate::harness::both_stores;
use crate::raw::Connection;

both_stores! {
    async fn a_request_names_its_host_once(world: World) {
        let refused = [
            ("no Host", "GET /healthz HTTP/1.1\r\n\r\n"),
            ("two", "GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
            ("two that are the same", "GET /healthz HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n"),
            ("not readable", "GET /healthz HTTP/1.1\r\nhost: a b\r\n\r\n"),
            ("with a user name", "GET /healthz HTTP/1.1\r\nhost: user@a\r\n\r\n"),
            ("beyond ASCII", "GET /healthz HTTP/1.1\r\nhost: \u{fc}\r\n\r\n"),
            ("a full address instead", "GET http://a/healthz HTTP/1.1\r\n\r\n"),
            ("two in HTTP/1.0", "GET /healthz HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n"),
        ];
        for (what, request) in refused {
            let mut connection = Connection::open(&world.node.base).await.unwrap();
            connection.send(request).await.unwrap();
            let answer = connection.answer().await.expect(what);
            assert_eq!(answer.status, 400, "{what}: {answer:?}");
            assert_eq!(answer.json()["error"], "invalid_request", "{what}");
            assert!(answer.body.contains("Host"), "{what}: {answer:?}");
        }
        let accepted = [
            "GET /healthz HTTP/1.1\r\nhost: id.example.com:8443\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nhost: [::1]:8080\r\n\r\n",
            "GET /healthz HTTP/1.0\r\n\r\n",
            "GET http://a/healthz HTTP/1.1\r\nhost: a\r\n\r\n",
        ];
        for request in accepted {
            let mut connection = Connection::open(&world.node.base).await.unwrap();
            connection.send(request).await.unwrap();
            let answer = connection.answer().await.expect(request);
            assert_eq!(answer.status, 200, "{request}: {answer:?}");
        }
    }

    async fn the_management_api_refuses_it_in_its_own_shape(world: World) {
        let mut connection = Connection::open(&world.node.base).await.unwrap();
        connection.send("GET /api/v2/clients HTTP/1.1\r\n\r\n").await.unwrap();
        let answer = connection.answer().await.unwrap();
        assert_eq!((answer.status, &answer.json()["errorCode"]), (400, &"invalid_request".into()));
    }
}
