//! A Rust file as the rules see it: which paths it names, which functions and attributes it has, and
//! which of them are test code.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::tree::File;

/// A path that the code names: `tokio::time::sleep`, in a `use`, an expression, a type or a macro's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `crate`, `self` and `super` are resolved: paths into the same crate begin with `crate`.
    pub segments: Vec<String>,
    pub line: usize,
    pub in_test: bool,
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
    pub is_async: bool,
    pub in_test: bool,
}

/// An attribute, with its tokens as text: `expect`, `clippy :: panic , reason = "…"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: String,
    pub tokens: String,
    pub line: usize,
}

/// What a Rust file holds.
#[derive(Clone, Debug, Default)]
pub struct Source {
    pub named: Vec<Named>,
    pub functions: Vec<Function>,
    pub attributes: Vec<Attribute>,
    /// Lines of `async` blocks and of `.await`.
    pub awaits: Vec<usize>,
    /// Lines that belong to test modules.
    pub test_lines: usize,
    /// The file opens with a `//!` comment.
    pub has_story: bool,
}

/// Reads a file; the error is the line and the parser's words.
pub fn read(file: &File) -> Result<Source, (usize, String)> {
    let ast = syn::parse_file(&file.text).map_err(|error| (error.span().start().line, error.to_string()))?;
    let mut reader = Reader {
        source: Source::default(),
        module: module_of(&file.path),
        tests: usize::from(is_test_path(&file.path)),
    };
    reader.source.has_story = ast.attrs.iter().any(|attribute| attribute.path().is_ident("doc"));
    reader.visit_file(&ast);
    Ok(reader.source)
}

/// Code that never ships: integration tests, the test packages, out-of-line test modules.
#[must_use]
pub fn is_test_path(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The module that a file is: `daemon/src/db/pool.rs` is `crate::db::pool`.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.split_once("/src/").map_or("", |(_, inside)| inside);
    let inside = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    let names = inside.split('/').filter(|name| !matches!(*name, "" | "lib" | "main" | "mod"));
    std::iter::once("crate").chain(names).map(str::to_owned).collect()
}

struct Reader {
    source: Source,
    module: Vec<String>,
    /// How many test modules and test functions we are inside of.
    tests: usize,
}

impl Reader {
    fn name(&mut self, segments: Vec<String>, span: Span) {
        let segments = self.resolve(segments);
        self.source.named.push(Named { segments, line: span.start().line, in_test: self.tests > 0 });
    }

    fn resolve(&self, segments: Vec<String>) -> Vec<String> {
        let mut base = self.module.clone();
        let mut rest = segments.as_slice();
        match rest.split_first() {
            Some((first, tail)) if first == "self" => rest = tail,
            Some((first, _)) if first == "super" => {}
            Some(_) | None => return segments,
        }
        while let Some((first, tail)) = rest.split_first() {
            if first != "super" {
                break;
            }
            base.pop();
            rest = tail;
        }
        base.extend(rest.iter().cloned());
        base
    }

    fn use_tree(&mut self, tree: &syn::UseTree, prefix: &[String]) {
        let joined = |ident: &syn::Ident| prefix.iter().cloned().chain([ident.to_string()]).collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&path.tree, &joined(&path.ident)),
            syn::UseTree::Name(name) => self.name(joined(&name.ident), name.span()),
            syn::UseTree::Rename(rename) => self.name(joined(&rename.ident), rename.span()),
            syn::UseTree::Glob(glob) => self.name(prefix.to_vec(), glob.span()),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, prefix);
                }
            }
        }
    }

    /// A macro's arguments are only tokens: every `a::b` among them is taken for a path.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut segments: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut span = Span::call_site();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if is_keyword(&ident) => {
                    self.end_path(&mut segments, span);
                    colons = 0;
                    if ident == "await" || ident == "async" {
                        self.source.awaits.push(ident.span().start().line);
                    }
                }
                TokenTree::Ident(ident) => {
                    if colons != 2 || segments.is_empty() {
                        self.end_path(&mut segments, span);
                        span = ident.span();
                    }
                    segments.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end_path(&mut segments, span);
                    colons = 0;
                    self.tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.end_path(&mut segments, span);
                    colons = 0;
                }
            }
        }
        self.end_path(&mut segments, span);
    }

    fn end_path(&mut self, segments: &mut Vec<String>, span: Span) {
        let path = std::mem::take(segments);
        if path.len() > 1 {
            self.name(path, span);
        }
    }

    fn function(&mut self, signature: &syn::Signature, whole: Span) {
        self.source.functions.push(Function {
            name: signature.ident.to_string(),
            line: signature.span().start().line,
            lines: lines_of(whole),
            is_async: signature.asyncness.is_some(),
            in_test: self.tests > 0,
        });
    }

    fn inside_test(&mut self, is_test: bool, visit: impl FnOnce(&mut Self)) {
        self.tests += usize::from(is_test);
        visit(self);
        self.tests -= usize::from(is_test);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&item.tree, &[]);
        visit::visit_item_use(self, item);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.name(vec![item.ident.to_string()], item.span());
        visit::visit_item_extern_crate(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.name(segments, path.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(last) = call.path.segments.last() {
            self.name(vec![format!("{}!", last.ident)], call.span());
        }
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let tokens = match &attribute.meta {
            syn::Meta::Path(_) => String::new(),
            syn::Meta::List(list) => {
                self.tokens(list.tokens.clone());
                list.tokens.to_string()
            }
            syn::Meta::NameValue(_) => "=".to_owned(),
        };
        let name = attribute.path().segments.iter().map(|s| s.ident.to_string()).collect::<Vec<_>>().join("::");
        self.source.attributes.push(Attribute { name, tokens, line: attribute.span().start().line });
        visit::visit_attribute(self, attribute);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = item.attrs.iter().any(is_cfg_test);
        if is_test && self.tests == 0 {
            self.source.test_lines += lines_of(item.span());
        }
        self.module.push(item.ident.to_string());
        self.inside_test(is_test, |reader| visit::visit_item_mod(reader, item));
        self.module.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let is_test =
            item.attrs.iter().any(|a| a.path().segments.last().is_some_and(|s| s.ident == "test") || is_cfg_test(a));
        self.inside_test(is_test, |reader| {
            reader.function(&item.sig, item.block.span());
            visit::visit_item_fn(reader, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block.span());
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_expr_await(&mut self, item: &'ast syn::ExprAwait) {
        self.source.awaits.push(item.await_token.span().start().line);
        visit::visit_expr_await(self, item);
    }

    fn visit_expr_async(&mut self, item: &'ast syn::ExprAsync) {
        self.source.awaits.push(item.span().start().line);
        visit::visit_expr_async(self, item);
    }
}

/// A word of the language, which begins no path; `crate`, `self` and `super` do.
fn is_keyword(ident: &proc_macro2::Ident) -> bool {
    let begins_path = ["crate", "self", "super", "Self"].iter().any(|word| ident == word);
    !begins_path && syn::parse_str::<syn::Ident>(&ident.to_string()).is_err()
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string().replace(' ', "") == "test")
}

fn lines_of(span: Span) -> usize {
    (span.end().line + 1).saturating_sub(span.start().line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        read(&File { path: path.to_owned(), text: text.to_owned() }).unwrap()
    }

    fn names(path: &str, text: &str) -> Vec<String> {
        source(path, text).named.iter().map(|named| named.segments.join("::")).collect()
    }

    #[test]
    fn paths_are_seen_wherever_they_stand() {
        let text = "use a::{b, c::{self, d as e}, f::*};\nfn x() -> g::H { select! { () = i::j() => {} } }";
        let seen = names("shared/src/x.rs", text);
        for path in ["a::b", "a::c::self", "a::c::d", "a::f", "g::H", "select!", "i::j"] {
            assert!(seen.contains(&path.to_owned()), "{path} is not among {seen:?}");
        }
    }

    #[test]
    fn relative_paths_are_resolved() {
        assert!(
            names("daemon/src/trades/plan.rs", "use super::super::db::Pool;").contains(&"crate::db::Pool".to_owned())
        );
        assert!(
            names("daemon/src/api/mod.rs", "use self::routes::all;").contains(&"crate::api::routes::all".to_owned())
        );
        assert!(
            names("daemon/src/api/mod.rs", "mod tests { use super::x; }").contains(&"crate::api::x".to_owned()),
            "an inline module has a parent of its own"
        );
    }

    #[test]
    fn test_code_is_known() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        let read = source("shared/src/x.rs", text);
        assert_eq!(
            read.functions.iter().map(|f| (f.name.as_str(), f.in_test)).collect::<Vec<_>>(),
            [("a", false), ("b", true)]
        );
        assert_eq!(read.test_lines, 4);
        assert!(source("daemon/tests/it/main.rs", "fn a() {}").functions[0].in_test);
    }

    #[test]
    fn a_function_counts_its_body() {
        let read = source("shared/src/x.rs", "fn a(\n    b: u8,\n) {\n    c();\n}\n");
        assert_eq!((read.functions[0].line, read.functions[0].lines), (1, 3));
    }
}
